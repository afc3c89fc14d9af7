import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import type { PublishOptions } from '../../src/publish/event-input.ts'
import { COLUMN_NAMES, type OutboxEventColumns } from '../../src/record/columns.ts'
import type { Store } from '../../src/store/store.ts'
import { publisherOn } from '../support/publisher.ts'

/** What publishing by SQL takes; JSON as text. A database whose SQL names them otherwise translates. */
export interface SqlEvent {
  readonly type?: string | null
  readonly source?: string | null
  readonly data?: string | null
  readonly binary?: Uint8Array
  readonly subject?: string
  readonly partitionKey?: string
  readonly backend?: string
  /** Milliseconds. */
  readonly delay?: number
  readonly scheduledAt?: Date
  readonly id?: string
  readonly time?: Date
  readonly dataContentType?: string
  readonly dataSchema?: string
  readonly extensions?: string
  readonly maxRetries?: number
  readonly config?: string
}

/** A migrated outbox that SQL publishes into, without our library. Removes itself. */
export interface SqlOutbox {
  readonly store: Store
  /** Publishes in a transaction of its own; returns the id of the row, in canonical form. */
  publish(event: SqlEvent): Promise<string>
  /** Runs statements, as a person would give them to the database's own command. */
  run(sql: string): Promise<void>
  close(): Promise<void>
}

const BASE = { type: 'order.created', source: '/orders' } as const

/** Accepted by both, and then the same in the table. */
const GOOD: readonly SqlEvent[] = [
  { data: '{"total":12.50,"big":12345678901234567890,"name":"Zoë ☕ \\"x\\""}' },
  {},
  { data: 'null' },
  { data: '"text"', dataContentType: 'text/plain; charset=utf-8' },
  { data: '[1,2]', dataContentType: 'application/vnd.shop+json' },
  { data: '1', dataContentType: '' },
  { binary: new Uint8Array([0, 1, 255]) },
  { binary: new Uint8Array([1]), dataContentType: 'image/png' },
  { subject: 'order-1', partitionKey: 'order-1' },
  { partitionKey: 'ключ 🔑' },
  { partitionKey: 'k'.repeat(255) },
  { type: 'é'.repeat(255) },
  { backend: 'partners', config: '{"priority":"high"}', maxRetries: 1 },
  { maxRetries: 2_147_483_647 },
  { id: 'own-1' },
  { time: new Date('2024-02-29T12:00:00.250Z') },
  { dataSchema: 'https://shop.example/order.json#v1' },
  { extensions: '{"traceparent":"00-1","sampled":true,"n":-2147483648}' },
  { extensions: '{}' },
  { extensions: '{"partitionkey":"from-extension","a":"b"}' },
  { scheduledAt: new Date('2099-12-31T23:00:00Z') },
  { scheduledAt: new Date('2001-01-01T00:00:00Z') },
  ...[
    'https://shop.example/a?b=c#d',
    'urn:uuid:6e8bc430',
    '//shop/x',
    'a/b',
    '#',
    '?q',
    '/a%20b',
    'mailto:a@b.example',
  ].map((source) => ({ source })),
]

/** Refused by both, for the member named. */
const BAD: readonly (readonly [field: RegExp, event: SqlEvent])[] = [
  [/type/, { type: '' }],
  [/type/, { type: null }],
  [/type/, { type: 'x'.repeat(256) }],
  [/type/, { type: 'a\u0007b' }],
  [/type/, { type: 'a\ufdd0' }],
  [/source/, { source: '' }],
  [/source/, { source: null }],
  [/source/, { source: '/a b' }],
  [/source/, { source: '/a%2' }],
  [/source/, { source: '/ümlaut' }],
  [/source/, { source: '1a:b' }],
  [/source/, { source: '/a#b#c' }],
  [/source/, { source: `/${'x'.repeat(255)}` }],
  [/subject/, { subject: 'x'.repeat(256) }],
  [/subject/, { subject: 'a\nb' }],
  [/\bid\b/, { id: '' }],
  [/\bid\b/, { id: 'x'.repeat(256) }],
  [/partition/i, { partitionKey: '' }],
  [/partition/i, { partitionKey: 'x'.repeat(256) }],
  [/partition/i, { partitionKey: 'a', extensions: '{"partitionkey":"b"}' }],
  [/content/i, { dataContentType: 'json' }],
  [/content/i, { dataContentType: `a/${'x'.repeat(100)}` }],
  [/schema/i, { dataSchema: '/relative.json' }],
  [/schema/i, { dataSchema: `https://${'x'.repeat(200)}` }],
  [/data/, { data: '{"a":1}', dataContentType: 'text/plain' }],
  [/data/, { data: '"text"', dataContentType: 'text/plain; charset=latin1' }],
  [/extensions/, { extensions: '[]' }],
  [/extensions/, { extensions: '{"traceParent":"x"}' }],
  [/extensions/, { extensions: '{"n":1.5}' }],
  [/extensions/, { extensions: '{"n":2147483648}' }],
  [/extensions/, { extensions: '{"o":{}}' }],
  [/extensions/, { extensions: '{"source":"/x"}' }],
  [/extensions/, { extensions: '{"t":"a\\u0001"}' }],
  [/delay/, { delay: -1 }],
  [/delay/, { delay: 1, scheduledAt: new Date('2099-01-01T00:00:00Z') }],
  [/scheduled/i, { scheduledAt: new Date('9999-06-01T00:00:00Z') }],
  [/max_?retries/i, { maxRetries: -1 }],
  [/config/i, { config: '[]' }],
]

/** The same event through the library. */
function libraryOf(event: SqlEvent): { readonly input: object; readonly options: PublishOptions } {
  const { backend, delay, scheduledAt, maxRetries, config, data, binary, extensions, ...input } = event
  const content = binary ?? (data == null ? undefined : exact(data))
  return {
    input: {
      ...BASE,
      ...input,
      ...(content === undefined ? {} : { data: content }),
      ...(extensions === undefined ? {} : { extensions: JSON.parse(extensions) }),
    },
    options: {
      ...(backend === undefined ? {} : { backend }),
      ...(delay === undefined ? {} : { delay }),
      ...(scheduledAt === undefined ? {} : { scheduledAt }),
      // SQL writes the column, which counts attempts.
      maxRetries: (maxRetries ?? 3) - 1,
      ...(config === undefined ? {} : { backendConfig: JSON.parse(config) }),
    },
  }
}

/** Parsed, with the one integer that JSON.parse would round. */
function exact(text: string): unknown {
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null && 'big' in value
    ? { ...value, big: 12345678901234567890n }
    : value
}

async function read(store: Store, id: string): Promise<OutboxEventColumns> {
  const [row] = await store.admin.list({
    where: [{ column: 'id', op: 'eq', value: id }],
    order: [],
    limit: 1,
    offset: 0,
    columns: COLUMN_NAMES,
  })
  assert.ok(row, `row ${id}`)
  return row as OutboxEventColumns
}

/** What must be equal: all but what differs between any two events, and the spelling of JSON. */
function comparable(row: OutboxEventColumns, asDefault: boolean): object {
  const { id, seq, lane, createdAt, updatedAt, scheduledAt, ...rest } = row
  return {
    ...rest,
    publisherBackend: asDefault ? 'default' : rest.publisherBackend,
    lane: row.partitionKey === null ? 'any' : lane,
    data: rest.data === null ? null : JSON.parse(rest.data),
    extensions: rest.extensions === null ? null : JSON.parse(rest.extensions),
    publisherConfig: JSON.parse(rest.publisherConfig),
    scheduled: row.availableAt === null && scheduledAt >= createdAt ? 'now' : scheduledAt.getTime(),
    order: typeof seq,
    id: typeof id,
    times: [createdAt, updatedAt].map((at) => Math.abs(at.getTime() - Date.now()) < 60_000),
  }
}

/** What publishing by SQL must do on every database. */
export function sqlCases(open: () => Promise<SqlOutbox>): void {
  const withOutbox = async (work: (outbox: SqlOutbox) => Promise<void>): Promise<void> => {
    const outbox = await open()
    try {
      await work(outbox)
    } finally {
      await outbox.close()
    }
  }
  const publishByLibrary = async ({ store }: SqlOutbox, event: SqlEvent): Promise<string> => {
    const { input, options } = libraryOf(event)
    const record = await store.transaction((tx) => publisherOn(store).publish(tx, input as never, options))
    return record.id
  }

  test('a row published by SQL is the row that the library writes', () =>
    withOutbox(async (outbox) => {
      for (const event of GOOD) {
        const bySql = await read(outbox.store, await outbox.publish({ ...BASE, ...event }))
        const own = event.id === undefined ? {} : { id: 'another' }
        const byLibrary = await read(outbox.store, await publishByLibrary(outbox, { ...event, ...own }))
        const expected = comparable(byLibrary, false) as { eventId: string | null }
        if (event.id !== undefined) expected.eventId = event.id
        assert.deepEqual(comparable(bySql, event.backend === undefined), expected, JSON.stringify(event))
        if (event.data?.includes('big')) assert.match(bySql.data ?? '', /12345678901234567890/, 'digits are kept')
        assert.match(bySql.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/, 'ids are in the order of time')
      }
    }))

  test('what the library refuses, SQL refuses, names the field, and writes nothing', () =>
    withOutbox(async (outbox) => {
      for (const [field, event] of BAD) {
        const shown = JSON.stringify(event).slice(0, 100)
        await assert.rejects(
          outbox.publish({ ...BASE, ...event }),
          (error: Error) => {
            assert.match(error.message, /refused/, shown)
            assert.match(error.message, field, shown)
            return true
          },
          shown,
        )
        const byLibrary = publishByLibrary(outbox, event)
        await assert.rejects(byLibrary, (error) => error instanceof BroadcasterError, shown)
      }
      assert.equal(await outbox.store.admin.count([]), 0)
    }))

  test('delay is counted by the database', () =>
    withOutbox(async (outbox) => {
      const row = await read(outbox.store, await outbox.publish({ ...BASE, delay: 90_000 }))
      assert.equal(row.scheduledAt.getTime() - row.createdAt.getTime(), 90_000)
      assert.equal(row.availableAt?.getTime(), row.scheduledAt.getTime(), 'parked until then')
    }))

  test('an own id is published once, whoever publishes it', () =>
    withOutbox(async (outbox) => {
      const event = { ...BASE, id: 'order-1', backend: 'default', data: '1' }
      const id = await outbox.publish(event)
      assert.equal(await outbox.publish({ ...event, data: '2' }), id)
      assert.equal(await publishByLibrary(outbox, event), id)
      assert.notEqual(await outbox.publish({ ...event, backend: 'partners' }), id)
      assert.equal(
        await publishByLibrary(outbox, { ...event, id: 'order-2' })
          .then(read.bind(null, outbox.store))
          .then((row) => row.eventId),
        'order-2',
      )
      const [first] = [await read(outbox.store, id)]
      assert.equal(first.data, '1')
      assert.equal(await outbox.store.admin.count([]), 3)
    }))

  test('events of SQL and of the library are delivered in the order of their key', () =>
    withOutbox(async (outbox) => {
      const backend = memoryBackend()
      await using broadcaster = new Broadcaster({ store: outbox.store, backends: { default: backend } })
      for (let n = 0; n < 20; n++) {
        const event = { ...BASE, partitionKey: `key-${n % 3}`, data: String(n) }
        if (n % 2 === 0) await outbox.publish(event)
        else await publishByLibrary(outbox, event)
      }
      await broadcaster.processPendingEvents()
      assert.equal(backend.events.length, 20)
      for (const key of ['key-0', 'key-1', 'key-2']) {
        const order = backend.events.filter(({ partitionKey }) => partitionKey === key).map(({ data }) => Number(data))
        assert.deepEqual(
          order,
          order.toSorted((a, b) => a - b),
          key,
        )
      }
    }))

  test('triggers of `capture` turn changes of rows into events, in the transaction of the change', () =>
    withOutbox(async (outbox) => {
      const { store } = outbox
      await outbox.run(
        'CREATE TABLE orders (id integer PRIMARY KEY, total integer, note varchar(20), secret varchar(20))',
      )
      const triggers = await store.schema.capture?.({
        table: 'orders',
        type: 'order',
        source: "/it's",
        backend: 'partners',
        omit: ['secret'],
      })
      assert.ok(triggers)
      await outbox.run(triggers)
      await outbox.run("INSERT INTO orders VALUES (1, 5, 'a \"quote\"', 's')")
      await outbox.run("INSERT INTO orders VALUES (2, NULL, NULL, 's')")
      await outbox.run('UPDATE orders SET total = 6 WHERE id = 1')
      await outbox.run("UPDATE orders SET total = total, secret = 'other'")
      await outbox.run('DELETE FROM orders WHERE id = 2')
      const rows = await store.admin.list({
        where: [],
        order: [{ column: 'seq', descending: false }],
        limit: null,
        offset: 0,
        columns: COLUMN_NAMES,
      })
      const first = { id: 1, total: 5, note: 'a "quote"' }
      const second = { id: 2, total: null, note: null }
      assert.deepEqual(
        rows.map((row) => [row.eventType, row.partitionKey, row.subject, JSON.parse(row.data ?? '')]),
        [
          ['order.created', '1', '1', { before: null, after: first }],
          ['order.created', '2', '2', { before: null, after: second }],
          ['order.updated', '1', '1', { before: first, after: { ...first, total: 6 } }],
          ['order.deleted', '2', '2', { before: second, after: null }],
        ],
      )
      for (const row of rows) assert.deepEqual([row.source, row.publisherBackend], ["/it's", 'partners'])
    }))

  test('`capture` refuses what would publish too much, or refuse each change of the table', () =>
    withOutbox(async (outbox) => {
      await outbox.run('CREATE TABLE people (id integer PRIMARY KEY, name varchar(20), password varchar(20))')
      const { schema } = outbox.store
      assert.ok(schema.capture)
      const base = { table: 'people', type: 'person', source: '/people' }
      for (const [field, options] of [
        ['omit', { omit: ['pasword'] }],
        ['key', { key: 'number' }],
        ['table', { table: 'peple' }],
        ['table', { table: 'people; DROP TABLE people' }],
        ['type', { type: '' }],
        ['type', { type: 'per\nson' }],
        ['type', { type: 'p'.repeat(248) }],
        ['source', { source: 'not a uri' }],
        ['source', { source: `/${'s'.repeat(255)}` }],
        ['backend', { backend: 'b'.repeat(101) }],
      ] as const) {
        await assert.rejects(
          schema.capture({ ...base, ...options }),
          { code: 'INVALID_OPTION', field },
          JSON.stringify(options),
        )
      }
      const sql = await schema.capture({ ...base, type: 'p'.repeat(247), omit: ['password'] })
      await outbox.run(sql)
      await outbox.run("INSERT INTO people VALUES (1, 'n', 'secret')")
    }))
}
