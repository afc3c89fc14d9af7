import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type } from 'arktype'
import { CloudEvent as OfficialEvent } from 'cloudevents'
import * as v from 'valibot'
import { z } from 'zod'
import type { Backend } from '../../src/backend/backend.ts'
import { refuseConfig } from '../../src/backend/refuse-config.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { createCloudEvent } from '../../src/event/create-cloud-event.ts'
import type { StandardSchema } from '../../src/event/standard-schema.ts'
import { encodeStructured } from '../../src/event/structured.ts'
import { canonicalUuid } from '../../src/event/uuid.ts'
import type { PublishOptions } from '../../src/publish/event-input.ts'
import { Publisher, type PublisherParts } from '../../src/publish/publisher.ts'
import { COLUMN_NAMES } from '../../src/record/columns.ts'
import { hashKey } from '../../src/record/hash-key.ts'
import { OutboxEvent } from '../../src/record/outbox-event.ts'
import { type MemoryTransaction, memoryStore } from '../../src/store/memory/memory.ts'
import { onSignal, SignalSource } from '../../src/telemetry/signals.ts'

const backend: Backend = {
  send: async () => [],
  healthCheck: async () => ({ healthy: true }),
  close: async () => {},
}

type Parts = Partial<PublisherParts<MemoryTransaction>>

function setUp(parts: Parts = {}) {
  const store = memoryStore()
  const publisher = new Publisher<MemoryTransaction>({
    store: store.publish,
    dialect: store.dialect,
    adapter: store.transactionAdapter,
    backends: new Map([
      ['default', backend],
      ['partners', backend],
    ]),
    defaultBackend: () => 'default',
    routes: [],
    catalogue: undefined,
    unlistedEvents: 'refuse',
    maxRetries: 3,
    signals: new SignalSource('test'),
    ...parts,
  })
  const publish = (event: unknown, options?: PublishOptions) =>
    store.transaction((tx) => publisher.publish(tx, event as { type: string; source: string }, options))
  const publishMany = (events: readonly unknown[], options?: PublishOptions) =>
    store.transaction((tx) => publisher.publishMany(tx, events as { type: string; source: string }[], options))
  return { store, publisher, publish, publishMany }
}

const event = { type: 'order.created', source: '/orders' }

/** The fields of all problems of the error that `publish` rejects with. */
async function refusal(promise: Promise<unknown>): Promise<BroadcasterError> {
  const error = await promise.then(
    () => assert.fail('was accepted'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof BroadcasterError, String(error))
  return error
}

describe('a plain event', () => {
  test('has the defaults of the record, and every column is known at once', async () => {
    const { publish, store } = setUp()
    const made = await publish({ ...event, data: { total: 10 } })
    assert.equal(canonicalUuid(made.id), made.id)
    assert.equal(made.eventId, made.id)
    assert.equal(made.status, 'pending')
    assert.equal(made.specVersion, '1.0')
    assert.equal(made.dataContentType, 'application/json')
    assert.equal(made.dataSchema, '')
    assert.equal(made.subject, '')
    assert.equal(made.maxRetries, 4)
    assert.equal(made.retryCount, 0)
    assert.equal(made.publisherBackend, 'default')
    assert.deepEqual(made.publisherConfig, {})
    assert.equal(made.duplicate, false)
    assert.deepEqual(
      COLUMN_NAMES.filter((name) => !made.isLoaded(name)),
      [],
    )
    const [stored] = await store.admin.list({ where: [], order: [], limit: null, offset: 0, columns: COLUMN_NAMES })
    assert.deepEqual(made.toJSON(), new OutboxEvent(stored ?? {}).toJSON())
  })

  test('takes all its members', async () => {
    const made = await setUp().publish({
      ...event,
      subject: 'o-1',
      id: 'own',
      time: new Date('2026-01-31T12:00:00Z'),
      dataContentType: 'application/vnd.order+json',
      dataSchema: 'https://example.com/order.json',
      partitionKey: 'customer-1',
      extensions: { traceparent: '00-1-2-01', attempt: 2, test: true, none: undefined },
      data: { n: 12345678901234567890n },
    })
    assert.deepEqual(made.toCloudEvent(), {
      specversion: '1.0',
      id: 'own',
      source: '/orders',
      type: 'order.created',
      subject: 'o-1',
      time: '2026-01-31T12:00:00.000Z',
      datacontenttype: 'application/vnd.order+json',
      dataschema: 'https://example.com/order.json',
      partitionkey: 'customer-1',
      traceparent: '00-1-2-01',
      attempt: 2,
      test: true,
      data: { n: 12345678901234567890n },
    })
    assert.equal(made.dataJson, '{"n":12345678901234567890}')
    assert.notEqual(made.id, 'own')
    assert.equal(made.lane, hashKey('customer-1') % 64)
  })

  test('a text, bytes of any kind, no data', async () => {
    const { publish } = setUp()
    const text = await publish({ ...event, data: 'a "b"', dataContentType: 'text/plain' })
    assert.equal(text.dataJson, '"a \\"b\\""')
    const bytes = new Uint8Array([1, 2, 3])
    for (const data of [bytes, Buffer.from(bytes), bytes.buffer, new DataView(bytes.buffer)]) {
      const made = await publish({ ...event, data })
      assert.deepEqual(Array.from(made.dataBinary ?? []), [1, 2, 3])
      assert.equal(made.dataJson, null)
      assert.equal(made.dataContentType, 'application/octet-stream')
    }
    for (const data of [null, undefined]) assert.equal((await publish({ ...event, data })).data, null)
    for (const data of [0, false, '', []]) assert.deepEqual((await publish({ ...event, data })).data, data)
  })
})

describe('a CloudEvent object', () => {
  test('is kept whole: schema, content type, time, extensions', async () => {
    const { publish } = setUp()
    const given = createCloudEvent({
      ...event,
      id: 'ce-1',
      time: '2026-01-31T12:00:00.123456789+02:00',
      datacontenttype: 'application/json; charset=utf-8',
      dataschema: 'https://example.com/order.json',
      subject: 's',
      partitionkey: 'k',
      tenant: 'acme',
      data: { b: 1, a: 2 },
    })
    const made = await publish(given)
    assert.deepEqual(made.toCloudEvent(), given)
    assert.equal(made.partitionKey, 'k')
    assert.equal(made.eventTime, '2026-01-31T12:00:00.123456789+02:00')
  })

  test('of the official package, with data and with bytes', async () => {
    const { publish } = setUp()
    const json = new OfficialEvent({ ...event, data: { a: 1 }, tenant: 'acme' })
    assert.deepEqual((await publish(json)).toCloudEvent(), JSON.parse(JSON.stringify(json)))
    const binary = new OfficialEvent({ ...event, data: new Uint8Array([1, 2]), datacontenttype: 'image/png' })
    const made = await publish(binary)
    assert.deepEqual(Array.from(made.dataBinary ?? []), [1, 2])
    assert.deepEqual(made.toCloudEvent(), JSON.parse(JSON.stringify(binary)))
  })

  test('with data_base64; without a content type none is made up', async () => {
    const made = await setUp().publish({ specversion: '1.0', id: '1', ...event, data_base64: 'AAEC' })
    assert.deepEqual(Array.from(made.dataBinary ?? []), [0, 1, 2])
    assert.equal(made.dataContentType, '')
  })

  test('is refused by its own names', async () => {
    const error = await refusal(
      setUp().publish({ specversion: '1.0', ...event, dataschema: 'x', 'Bad-Name': 1, data: 1, data_base64: '*' }),
    )
    assert.equal(error.code, 'INVALID_EVENT')
    for (const part of [/id is missing/, /dataschema is "x"/, /Bad-Name is not/, /data_base64 is "\*"/]) {
      assert.match(error.message, part)
    }
  })
})

describe('refused before the insert', () => {
  const long = 'x'.repeat(256)
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const table: readonly (readonly [string, unknown, PublishOptions, string, string, RegExp])[] = [
    ['no event', 'x', {}, 'INVALID_EVENT', 'event', /give an object with type and source/],
    [
      'more data than can be read',
      { ...event, dataContentType: 'text/plain', data: 'x'.repeat(67_108_865) },
      {},
      'EVENT_TOO_LARGE',
      'data',
      /has 67108867 bytes; without a `maxEventBytes` of its own the backend "\w+" takes at most 67108864/,
    ],
    ['a list', [event], {}, 'INVALID_EVENT', 'event', /publish takes one event: publishMany takes a list/],
    ['no type', { source: '/s' }, {}, 'INVALID_EVENT', 'type', /type is missing/],
    ['a source that is none', { ...event, source: 'a b' }, {}, 'INVALID_EVENT', 'source', /URI-reference/],
    [
      'a member that is none',
      { ...event, eventType: 'x' },
      {},
      'INVALID_EVENT',
      'eventType',
      /not a member of an event/,
    ],
    [
      'a misspelt member',
      { ...event, partition_key: 'x' },
      {},
      'INVALID_EVENT',
      'partition_key',
      /did you mean "partitionKey"/,
    ],
    ['a type too long', { ...event, type: long }, {}, 'INVALID_EVENT', 'type', /has 256 characters; at most 255/],
    ['a subject too long', { ...event, subject: long }, {}, 'INVALID_EVENT', 'subject', /256/],
    ['a source too long', { ...event, source: long }, {}, 'INVALID_EVENT', 'source', /256/],
    ['an id too long', { ...event, id: long }, {}, 'INVALID_EVENT', 'id', /256/],
    ['a key too long', { ...event, partitionKey: long }, {}, 'INVALID_EVENT', 'partitionKey', /256/],
    [
      'a content type too long',
      { ...event, dataContentType: `text/${'x'.repeat(100)}` },
      {},
      'INVALID_EVENT',
      'dataContentType',
      /105/,
    ],
    [
      'a schema too long',
      { ...event, dataSchema: `https://x/${'x'.repeat(200)}` },
      {},
      'INVALID_EVENT',
      'dataSchema',
      /210/,
    ],
    ['an empty key', { ...event, partitionKey: '' }, {}, 'INVALID_EVENT', 'partitionKey', /must be a text/],
    ['an empty id', { ...event, id: '' }, {}, 'INVALID_EVENT', 'id', /empty/],
    [
      'an extension that is an attribute',
      { ...event, extensions: { subject: 'x' } },
      {},
      'INVALID_EVENT',
      'extensions.subject',
      /give it as `subject`/,
    ],
    [
      'an extension with a bad name',
      { ...event, extensions: { 'a-b': 'x' } },
      {},
      'INVALID_EVENT',
      'extensions.a-b',
      /such as "ab"/,
    ],
    [
      'extensions that are no object',
      { ...event, extensions: [] },
      {},
      'INVALID_EVENT',
      'extensions',
      /give an object/,
    ],
    [
      'two keys',
      { ...event, partitionKey: 'a', extensions: { partitionkey: 'b' } },
      {},
      'INVALID_EVENT',
      'extensions.partitionkey',
      /differs/,
    ],
    [
      'a key of the event and of the call',
      { ...event, partitionKey: 'a' },
      { partitionKey: 'b' },
      'INVALID_EVENT',
      'partitionKey',
      /one of them/,
    ],
    ['a wrong time', { ...event, time: new Date(Number.NaN) }, {}, 'INVALID_EVENT', 'time', /must be a string/],
    ['data that JSON cannot hold', { ...event, data: () => 1 }, {}, 'INVALID_DATA', 'data', /function/],
    [
      'an object as text',
      { ...event, data: {}, dataContentType: 'text/plain' },
      {},
      'INVALID_EVENT',
      'data',
      /not JSON/,
    ],
    [
      'an unknown backend',
      event,
      { backend: 'partner' },
      'UNKNOWN_BACKEND',
      'backend',
      /did you mean "partners"\?; configured: default, partners/,
    ],
    ['a backend that is a number', event, { backend: 5 as never }, 'INVALID_OPTION', 'backend', /give the name/],
    ['a list of such', event, { backend: [5] as never }, 'INVALID_OPTION', 'backend', /a list of names/],
    ['options that are a number', event, 5 as never, 'INVALID_OPTION', 'options', /give an object/],
    [
      'an option that throws when it is read',
      event,
      Object.defineProperty({}, 'delay', { enumerable: true, get: () => assert.fail('hostile') }),
      'INVALID_OPTION',
      'options',
      /cannot be read: hostile/,
    ],
    [
      'an event that throws when it is read',
      Object.defineProperty({ ...event }, 'subject', { enumerable: true, get: () => assert.fail('hostile') }),
      {},
      'INVALID_EVENT',
      'event',
      /cannot be read: hostile/,
    ],
    [
      'a key of 300 characters',
      event,
      { partitionKey: 'x'.repeat(300) },
      'INVALID_OPTION',
      'partitionKey',
      /at most 255/,
    ],
    ['a key with NUL', event, { partitionKey: 'a\0' }, 'INVALID_OPTION', 'partitionKey', /U\+0000/],
    ['a key with CR LF', event, { partitionKey: 'a\r\n' }, 'INVALID_OPTION', 'partitionKey', /U\+000D/],
    ['a key that is half a pair', event, { partitionKey: '\ud800' }, 'INVALID_OPTION', 'partitionKey', /U\+D800/],
    ['a key that is a number', event, { partitionKey: 5 as never }, 'INVALID_OPTION', 'partitionKey', /must be a text/],
    [
      'an extension named __proto__',
      { ...event, extensions: JSON.parse('{"__proto__":{"type":"x"}}') },
      {},
      'INVALID_EVENT',
      'extensions.__proto__',
      /not a valid extension name/,
    ],
    ['a bigint in an extension', { ...event, extensions: { n: 1n } }, {}, 'INVALID_EVENT', 'extensions.n', /is 1n/],
    [
      'bytes that are said to be JSON',
      { ...event, data: new Uint8Array([1]), dataContentType: 'application/json' },
      {},
      'INVALID_EVENT',
      'data',
      /not JSON/,
    ],
    [
      'bytes that are said to be text',
      { ...event, data: new Uint8Array([0xff]), dataContentType: 'text/plain' },
      {},
      'INVALID_EVENT',
      'data',
      /not text in UTF-8/,
    ],
    ['no backend', event, { backend: [] }, 'INVALID_OPTION', 'backend', /empty list/],
    [
      'an option that is none',
      event,
      { maxRetry: 1 } as PublishOptions,
      'INVALID_OPTION',
      'maxRetry',
      /did you mean "maxRetries"/,
    ],
    ['a negative delay', event, { delay: -1 }, 'INVALID_OPTION', 'delay', /milliseconds/],
    ['a delay that is no number', event, { delay: Number.NaN }, 'INVALID_OPTION', 'delay', /milliseconds/],
    ['a delay of centuries', event, { delay: 1e15 }, 'INVALID_OPTION', 'delay', /milliseconds/],
    [
      'a due time that is none',
      event,
      { scheduledAt: new Date(Number.NaN) },
      'INVALID_OPTION',
      'scheduledAt',
      /give a Date/,
    ],
    [
      'a due time in the far future',
      event,
      { scheduledAt: new Date('9999-12-31') },
      'INVALID_OPTION',
      'scheduledAt',
      /9998/,
    ],
    ['a due time and a delay', event, { scheduledAt: new Date(), delay: 1 }, 'INVALID_OPTION', 'delay', /one of them/],
    ['retries that are no whole number', event, { maxRetries: 1.5 }, 'INVALID_OPTION', 'maxRetries', /whole number/],
    [
      'options that JSON cannot hold',
      event,
      { backendConfig: cyclic },
      'INVALID_OPTION',
      'backendConfig',
      /cannot be stored/,
    ],
    [
      'options that are no object',
      event,
      { backendConfig: [] as never },
      'INVALID_OPTION',
      'backendConfig',
      /give an object/,
    ],
  ]
  for (const [name, input, options, code, field, message] of table) {
    test(name, async () => {
      const { publish, store } = setUp()
      const error = await refusal(publish(input, options))
      assert.equal(error.code, code)
      assert.equal(error.field, field)
      assert.match(error.message, message)
      assert.equal(await store.admin.count([]), 0)
    })
  }

  test('a list of events that is none, and names of 100,000 characters in no time', async () => {
    // Each is looked at as the name that may have been meant.
    const types = Array.from({ length: 500 }, (_, n) => `order.created.${n}`)
    const { publishMany, publish } = setUp({ catalogue: Object.fromEntries(types.map((name) => [name, z.unknown()])) })
    await assert.rejects(publishMany(5 as never), { code: 'INVALID_OPTION', field: 'events' })
    const started = performance.now()
    const long = 'x'.repeat(100_000)
    await assert.rejects(publish({ type: long, source: '/s' }), { code: 'INVALID_EVENT', field: 'type' })
    await assert.rejects(publish({ ...event, [long]: 1 }), { code: 'INVALID_EVENT' })
    assert.ok(performance.now() - started < 1_000)
  })

  test('bytes that are what their type says are taken, in another charset unseen', async () => {
    const { publish } = setUp()
    for (const [data, dataContentType] of [
      [Buffer.from('{"a":1}'), 'application/json'],
      [Buffer.from('é'), 'text/plain; charset=utf-8'],
      [new Uint8Array([0xe9]), 'text/plain; charset=latin1'],
      [new Uint8Array([0xff]), 'application/octet-stream'],
    ] as const) {
      assert.equal((await publish({ ...event, data, dataContentType })).dataContentType, dataContentType)
    }
  })

  test('what its schema would refuse when it is read back from JSON', async () => {
    const { publish } = setUp({
      catalogue: {
        date: z.object({ at: z.date() }),
        number: z.object({ n: z.string().transform(Number) }),
        coerced: z.object({ at: z.coerce.date() }),
        plain: z.object({ id: z.string(), total: z.number().default(0) }),
      },
    })
    const at = new Date(0)
    for (const [type, data] of [
      ['date', { at }],
      ['number', { n: '1' }],
    ] as const) {
      await assert.rejects(publish({ type, source: '/s', data }), {
        code: 'INVALID_DATA',
        message: /read back from JSON; use a schema that takes what it gives/,
      })
    }
    assert.equal(
      (await publish({ type: 'coerced', source: '/s', data: { at } })).dataJson,
      '{"at":"1970-01-01T00:00:00.000Z"}',
    )
    assert.equal((await publish({ type: 'plain', source: '/s', data: { id: 'a' } })).dataJson, '{"id":"a","total":0}')
  })

  test('characters count, not code units', async () => {
    const { publish } = setUp()
    assert.equal((await publish({ ...event, subject: '😀'.repeat(255) })).subject.length, 510)
    await assert.rejects(publish({ ...event, subject: '😀'.repeat(256) }), { field: 'subject' })
  })

  test('every problem of every event in one error, by its place; none is inserted', async () => {
    const { publishMany, store } = setUp()
    const error = await refusal(
      publishMany([event, { ...event, source: ' ', subject: '\n' }, { type: 'x' }], { backend: 'nowhere' }),
    )
    assert.match(error.message, /^the publish is refused:/)
    for (const part of [
      /- backend names the backend "nowhere"/,
      /- events\[1\]\.source/,
      /- events\[1\]\.subject/,
      /- events\[2\]\.source/,
    ]) {
      assert.match(error.message, part)
    }
    assert.equal(await store.admin.count([]), 0)
    const many = await refusal(publishMany(Array.from({ length: 100 }, () => ({ type: 'x' }))))
    assert.match(many.message, /- and 80 more$/)
  })

  test("a backend that names the whole field of its options, as Kafka's does, names it once", async () => {
    const { publish } = setUp({ backends: new Map([['default', { ...backend, checkConfig: refuseConfig('kafka') }]]) })
    const error = await refusal(publish(event, { backendConfig: { topic: 'x' } }))
    assert.match(error.message, /backendConfig\.topic is refused/)
    assert.doesNotMatch(error.message, /backendConfig\.backendConfig/)
  })

  test("a backend's own options and size limit", async () => {
    const picky: Backend = {
      ...backend,
      maxEventBytes: 300,
      checkConfig(config) {
        if ('stream' in config) return
        throw new BroadcasterError('INVALID_OPTION', 'stream is missing', { field: 'stream' })
      },
    }
    const { publish } = setUp({ backends: new Map([['default', picky]]) })
    const error = await refusal(publish({ ...event, data: 'x'.repeat(300) }))
    assert.match(error.message, /backendConfig\.stream is refused by the backend "default": stream is missing/)
    assert.match(error.message, /data makes an event of \d+ bytes, and the backend "default" takes at most 300/)
    const fitting = await publish({ ...event, data: 'é' }, { backendConfig: { stream: 's' } })
    assert.deepEqual(fitting.publisherConfig, { stream: 's' })
    const bytes = Buffer.byteLength(encodeStructured(fitting.toEncodable()))
    const filler = 'x'.repeat(300 - bytes)
    const full = await publish({ ...event, data: `é${filler}` }, { backendConfig: { stream: 's' } })
    assert.equal(Buffer.byteLength(encodeStructured(full.toEncodable())), 300)
    await assert.rejects(publish({ ...event, data: `é${filler}x` }, { backendConfig: { stream: 's' } }), {
      code: 'EVENT_TOO_LARGE',
      value: 301,
    })
  })

  test('what its backend could never carry, by the name that the caller gave it', async () => {
    const picky: Backend = {
      ...backend,
      checkEvent({ dataContentType, subject, extensions }) {
        if (subject === 'throws') throw new TypeError('no such thing')
        if (extensions['long'] !== undefined) {
          throw new BroadcasterError('INVALID_EVENT', 'long is too long', { field: 'long', value: 'x' })
        }
        if (dataContentType === 'application/json') return
        const details = { field: 'datacontenttype', value: dataContentType }
        throw new BroadcasterError('INVALID_EVENT', 'datacontenttype is none of mine', details)
      },
    }
    const backends = new Map([
      ['default', picky],
      ['partners', backend],
    ])
    const { store, publish, publishMany } = setUp({ backends })
    const text = { ...event, dataContentType: 'text/plain', data: 'x' }
    const own = await refusal(publish(text, { backend: ['partners', 'default'] }))
    assert.equal(own.code, 'INVALID_EVENT')
    assert.equal(own.field, 'dataContentType')
    assert.equal(own.value, 'text/plain')
    assert.match(own.message, /is refused by the backend "default": datacontenttype is none of mine/)
    assert.equal((await refusal(publish({ ...event, extensions: { long: 'x' } }))).field, 'extensions.long')
    assert.equal((await refusal(publishMany([event, text]))).field, 'events[1].dataContentType')
    const cloudEvent = {
      specversion: '1.0',
      id: '1',
      type: 'a',
      source: '/x',
      datacontenttype: 'text/plain',
      data: 'x',
    }
    assert.equal((await refusal(publish(cloudEvent))).field, 'datacontenttype')
    const thrown = await refusal(publish({ ...event, subject: 'throws' }))
    assert.equal(thrown.code, 'INVALID_EVENT')
    assert.match(thrown.message, /is refused by the backend "default": no such thing/)
    assert.equal(await store.admin.count([]), 0)
    await publish(text, { backend: 'partners' })
    await publish(event)
  })

  test('what is no transaction, before anything else', async () => {
    const { publisher, store } = setUp()
    await assert.rejects(publisher.publish({} as MemoryTransaction, event), { code: 'NOT_A_TRANSACTION' })
    let ended: MemoryTransaction | undefined
    await store.transaction(async (tx) => {
      ended = tx
    })
    await assert.rejects(publisher.publish(ended as MemoryTransaction, event), { code: 'TRANSACTION_ENDED' })
  })
})

describe('delivery', () => {
  test('options of the call', async () => {
    const { publish } = setUp()
    const scheduledAt = new Date('2500-01-01T00:00:00Z')
    const made = await publish(event, {
      scheduledAt,
      maxRetries: 0,
      backend: 'partners',
      partitionKey: 'k',
      backendConfig: { a: 1 },
    })
    assert.deepEqual(made.scheduledAt, scheduledAt)
    assert.deepEqual(made.availableAt, scheduledAt)
    assert.equal(made.maxRetries, 1)
    assert.equal(made.publisherBackend, 'partners')
    assert.equal(made.partitionKey, 'k')
    const delayed = await publish(event, { delay: 60_000 })
    assert.equal(delayed.scheduledAt.getTime() - delayed.createdAt.getTime(), 60_000)
  })

  test('by route: the first that takes the type; else the default; the call goes before', async () => {
    const routes = [
      { type: ['order.cancelled'], to: 'partners' },
      { type: 'order.*', to: ['default', 'partners'] },
    ]
    const { publish, publishMany } = setUp({ routes })
    const to = async (type: string, options?: PublishOptions) =>
      (await publishMany([{ ...event, type }], options)).map((made) => made.publisherBackend)
    assert.deepEqual(await to('order.cancelled'), ['partners'])
    assert.deepEqual(await to('order.created'), ['default', 'partners'])
    assert.deepEqual(await to('invoice.sent'), ['default'])
    assert.deepEqual(await to('order.created', { backend: 'default' }), ['default'])
    assert.deepEqual(await to('order.created', { backend: ['partners', 'partners'] }), ['partners'])
    assert.equal((await publish(event)).publisherBackend, 'default')
  })

  test('one event for several backends is one event: same id, source and data, rows of their own', async () => {
    const made = await setUp().publishMany([event], { backend: ['default', 'partners'] })
    assert.equal(made.length, 2)
    assert.equal(new Set(made.map((each) => each.id)).size, 2)
    assert.equal(new Set(made.map((each) => each.eventId)).size, 1)
  })

  test('a configuration with mistakes is refused', () => {
    assert.throws(() => setUp({ defaultBackend: () => 'x' }), { code: 'UNKNOWN_BACKEND', field: 'defaultBackend' })
    assert.throws(() => setUp({ routes: [{ type: 'a', to: 'defalt' }] }), {
      code: 'UNKNOWN_BACKEND',
      field: 'routes[0].to',
      message: /did you mean "default"/,
    })
    assert.throws(() => setUp({ routes: [{ type: [], to: 'default' }] }), { field: 'routes[0].type' })
    assert.throws(() => setUp({ routes: [{ type: 'a', to: [] }] }), { field: 'routes[0].to' })
    assert.throws(() => setUp({ dialect: 'postgres' }), {
      code: 'ADAPTER_MISMATCH',
      message: /memory speaks memory, the store postgres/,
    })
  })
})

describe('idempotence', () => {
  test('the same source and id for the same backend is stored once, and says so', async () => {
    const { publish, publishMany, store } = setUp()
    const first = await publish({ ...event, id: 'x', data: 1 })
    const again = await publish({ ...event, id: 'x', data: 2 })
    assert.equal(first.duplicate, false)
    assert.equal(again.duplicate, true)
    assert.equal(again.id, first.id)
    assert.equal(again.data, 1)
    assert.equal((await publish({ ...event, id: 'x' }, { backend: 'partners' })).duplicate, false)
    assert.equal((await publish({ ...event, id: 'x', source: '/other' })).duplicate, false)
    const many = await publishMany([{ ...event, id: 'y' }, { ...event, id: 'x' }, { ...event, id: 'y' }, event])
    assert.deepEqual(
      many.map((made) => made.duplicate),
      [false, true, true, false],
    )
    assert.equal(many[2]?.id, many[0]?.id)
    assert.equal(await store.admin.count([]), 5)
  })

  test('without an id of their own two events are two', async () => {
    const { publish } = setUp()
    assert.notEqual((await publish(event)).eventId, (await publish(event)).eventId)
  })
})

describe('many', () => {
  test('one statement for thousands, in their order', async () => {
    const { publisher, store } = setUp()
    const statements: unknown[] = []
    const { transactionAdapter: adapter } = store
    const counting: typeof adapter = {
      ...adapter,
      check: (tx) => adapter.check(tx),
      execute: (tx, statement) => {
        statements.push(statement)
        return adapter.execute(tx, statement)
      },
    }
    const counted = new Publisher<MemoryTransaction>({
      store: store.publish,
      dialect: 'memory',
      adapter: counting,
      backends: new Map([['default', backend]]),
      defaultBackend: () => 'default',
      routes: [],
      catalogue: undefined,
      unlistedEvents: 'refuse',
      maxRetries: 3,
      signals: new SignalSource('test'),
    })
    const made = await store.transaction((tx) =>
      counted.publishMany(
        tx,
        Array.from({ length: 5000 }, (_, n) => ({ ...event, data: n })),
      ),
    )
    assert.equal(statements.length, 1)
    assert.deepEqual(
      made.map((each) => each.data),
      Array.from({ length: 5000 }, (_, n) => n),
    )
    assert.deepEqual(
      made.map((each) => each.id),
      made.map((each) => each.id).toSorted(),
    )
    assert.deepEqual(await store.transaction((tx) => publisher.publishMany(tx, [])), [])
  })
})

describe('synchronous', () => {
  test('publishSync and publishManySync', async () => {
    const { publisher, store } = setUp()
    await store.transaction(async (tx) => {
      const made = publisher.publishSync(tx, { ...event, id: 'x', data: 1 })
      assert.equal(made.data, 1)
      const many = publisher.publishManySync(tx, [event, { ...event, id: 'x' }])
      assert.deepEqual(
        many.map((each) => each.duplicate),
        [false, true],
      )
      assert.throws(() => publisher.publishSync(tx, { type: '', source: '' }), { code: 'INVALID_EVENT' })
    })
    assert.equal(await store.admin.count([]), 2)
  })

  test('refused where the library is not synchronous', async () => {
    const base = memoryStore()
    const { executeSync: _, ...adapter } = base.transactionAdapter
    const { publisher, store } = setUp({ adapter })
    await store.transaction(async (tx) => {
      assert.throws(() => publisher.publishSync(tx, event), { code: 'INVALID_OPTION', message: /use publish/ })
    })
  })
})

describe('catalogue', () => {
  const catalogue = {
    'order.created': z.object({ id: z.string(), total: z.number().default(0) }),
    'order.paid': v.object({ id: v.string() }),
    'order.sent': type({ id: 'string' }),
    'order.checked': z.object({ id: z.string().refine(async (id) => id !== 'taken', 'is taken') }),
  }

  test('data is checked by any Standard Schema, and stored as the schema gives it', async () => {
    const { publish } = setUp({ catalogue })
    assert.deepEqual((await publish({ ...event, data: { id: 'a', other: 1 } })).data, { id: 'a', total: 0 })
    for (const name of ['order.paid', 'order.sent', 'order.checked']) {
      assert.deepEqual((await publish({ ...event, type: name, data: { id: 'a' } })).data, { id: 'a' })
      const error = await refusal(publish({ ...event, type: name, data: { id: 7 } }))
      assert.equal(error.code, 'INVALID_DATA')
      assert.match(error.message, new RegExp(`data\\.id is refused by the schema of ${name.replace('.', '\\.')}: `))
    }
    await assert.rejects(publish({ ...event, type: 'order.checked', data: { id: 'taken' } }), { message: /is taken/ })
    await assert.rejects(publish(createCloudEvent({ ...event, data: { id: 1 } })), { code: 'INVALID_DATA' })
  })

  test('a place in a list', async () => {
    const { publishMany } = setUp({
      catalogue: { 'order.created': z.object({ lines: z.array(z.object({ n: z.number() })) }) },
    })
    const error = await refusal(publishMany([{ ...event, data: { lines: [{ n: 1 }, { n: 'x' }] } }]))
    assert.match(error.message, /events\[0\]\.data\.lines\[1\]\.n is refused/)
  })

  test('an event that is not listed', async () => {
    const error = await refusal(setUp({ catalogue }).publish({ ...event, type: 'order.creatd' }))
    assert.equal(error.code, 'UNKNOWN_EVENT_TYPE')
    assert.match(error.message, /did you mean "order\.created"/)
    await assert.rejects(setUp({ catalogue }).publish({ ...event, type: 'toString' }), { code: 'UNKNOWN_EVENT_TYPE' })
    const { publish } = setUp({ catalogue, unlistedEvents: 'allow' })
    assert.deepEqual((await publish({ ...event, type: 'anything', data: 1 })).data, 1)
    await assert.rejects(publish({ ...event, data: {} }), { code: 'INVALID_DATA' })
  })

  test('an asynchronous schema cannot be used in publishSync', async () => {
    const rejecting: StandardSchema = {
      '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('unheard')) },
    }
    const { publisher, store } = setUp({ catalogue: { 'order.created': rejecting } })
    await store.transaction(async (tx) => {
      assert.throws(() => publisher.publishSync(tx, event), {
        code: 'INVALID_OPTION',
        message: /asynchronous; use publish/,
      })
    })
  })

  test('a transaction that ended while an asynchronous schema was at work is refused', async () => {
    const { publisher, store } = setUp({ catalogue })
    let pending: Promise<unknown> = Promise.resolve()
    await store.transaction(async (tx) => {
      pending = publisher.publish(tx, { ...event, type: 'order.checked', data: { id: 'a' } })
      pending.catch(() => undefined)
    })
    await assert.rejects(pending, { code: 'TRANSACTION_ENDED' })
  })
})

describe('notices', () => {
  test('event.created for what was inserted, not for duplicates; the hook gets the same', async () => {
    const seen: string[] = []
    const hooked: string[] = []
    const stop = onSignal('event.created', ({ record: made, outbox }) => {
      if (outbox === 'notices') seen.push(made.id)
    })
    try {
      const { publish, publishMany } = setUp({
        signals: new SignalSource('notices'),
        onPublished: (events) => hooked.push(...events.map((made) => made.id)),
      })
      const first = await publish({ ...event, id: 'x' })
      const many = await publishMany([{ ...event, id: 'x' }, event])
      assert.deepEqual(seen, [first.id, many[1]?.id])
      assert.deepEqual(hooked, seen)
    } finally {
      stop()
    }
  })
})

for (const [what, parts] of [
  ['a schema', { catalogue: { 'order.created': schemaOf(() => new Promise<never>(() => undefined)) } }],
  ['the hook encode', { hooks: { encode: () => new Promise<never>(() => undefined) } }],
] as const) {
  test(`${what} that never answers does not keep the transaction open for ever`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { publish, store } = setUp(parts)
    const publishing = publish({ type: 'order.created', source: '/orders', data: {} })
    const outcome = assert.rejects(publishing, { code: 'PUBLISH_TIMEOUT' })
    // Once it waits.
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    t.mock.timers.tick(30_000)
    await outcome
    assert.equal(await store.admin.count([]), 0)
  })
}

function schemaOf(validate: () => Promise<never>): StandardSchema {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}
