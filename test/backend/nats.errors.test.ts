import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect as connectTo, createServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import { type NatsJetStreamOptions, natsJetStream } from '../../src/nats/nats.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { CuttingProxy } from './cutting-proxy.ts'
import { NatsProcess, skipWithoutNatsServer } from './nats-process.ts'
import { withManager } from './nats-stream.ts'

const skip = skipWithoutNatsServer()
const never = new AbortController().signal

const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
const textOf = (result: SendResult | undefined) => (result?.ok === false ? String(result.error) : '')

const USERS = `
authorization { users: [
  { user: operator, password: op },
  { user: app, password: right, permissions: { publish: { allow: ["$JS.API.>", "allowed.>"] } } }
] }
max_payload: 100000`
const OPERATOR = { user: 'operator', pass: 'op' }

/** Each line of the error table in docs/backends/nats.md, provoked on a real server. */
describe('natsJetStream: errors', { skip }, () => {
  let server: NatsProcess
  let made = 0
  before(async () => {
    server = await NatsProcess.start(USERS, 'max_file_store: 200000')
  })
  after(() => server?.remove())

  type Manager = Parameters<Parameters<typeof withManager>[1]>[0]
  const operator = <T>(work: (manager: Manager) => Promise<T>) => withManager(server.url, work, OPERATOR)

  /** A backend with a stream and subjects of its own, both removed after it. */
  async function withBackend(
    options: Partial<NatsJetStreamOptions>,
    config: Readonly<Record<string, unknown>>,
    work: (backend: Backend, name: string) => Promise<void>,
  ): Promise<void> {
    const name = `ERRORS${++made}`
    const backend = natsJetStream({
      url: server.url,
      connection: OPERATOR,
      stream: { name, create: true, subjects: [`${name}.*`], config },
      subject: `${name}.{type}`,
      timeout: 2_000,
      connectTimeout: 5_000,
      ...options,
    })
    try {
      await work(backend, name)
    } finally {
      await backend.close()
      await operator((manager) => manager.streams.delete(name)).catch(() => undefined)
    }
  }
  const one = { eventType: 'one' }

  test('10054, larger than max_msg_size: permanent, for that event alone, and stops its key', () =>
    withBackend({}, { max_msg_size: 2_000 }, async (backend) => {
      const large = { ...one, data: JSON.stringify('x'.repeat(3_000)), partitionKey: 'k' }
      const events = [
        sampleEvent(one),
        sampleEvent(large),
        sampleEvent({ ...one, partitionKey: 'k' }),
        sampleEvent(one),
      ]
      const results = await backend.send(events, never)
      assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'not-attempted', 'ok'])
      assert.match(textOf(results[1]), /10054/)
    }))

  test("larger than the server's max_payload: permanent, and the connection lives on", () =>
    withBackend({}, {}, async (backend) => {
      const large = { ...one, data: JSON.stringify('x'.repeat(100_000)) }
      const results = await backend.send([sampleEvent(one), sampleEvent(large), sampleEvent(one)], never)
      assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'ok'])
      assert.match(textOf(results[1]), /max_payload is 100000/)
    }))

  test('10097, headers larger than 64 KiB: permanent', () =>
    withBackend({ mode: 'binary' }, {}, async (backend) => {
      const results = await backend.send([sampleEvent({ ...one, subject: 'x'.repeat(70_000) })], never)
      assert.deepEqual(results.map(kindOf), ['permanent'], textOf(results[0]))
      assert.match(textOf(results[0]), /10097/)
    }))

  test('10077, the stream is full and discards new messages: outage, until there is room', () =>
    withBackend({}, { max_msgs: 2, discard: 'new' }, async (backend, name) => {
      const results = await backend.send(sampleEvents(4, 0, one), never)
      assert.deepEqual(results.map(kindOf), ['ok', 'ok', 'outage', 'outage'])
      assert.match(textOf(results[2]), /10077/)
      await operator((manager) => manager.streams.purge(name))
      assert.deepEqual((await backend.send(sampleEvents(2, 0, one), never)).map(kindOf), ['ok', 'ok'])
    }))

  test('10023, the storage of the server is used up: outage', () =>
    withBackend({}, {}, async (backend) => {
      const results = await backend.send(
        sampleEvents(5, 1, { ...one, data: JSON.stringify('x'.repeat(90_000)) }),
        never,
      )
      assert.deepEqual(results.map(kindOf), ['ok', 'ok', 'ok', 'outage', 'not-attempted'])
    }))

  test('10109, the stream is sealed: outage', () =>
    withBackend({}, {}, async (backend, name) => {
      await backend.connect?.(never)
      await operator((manager) => manager.streams.update(name, { sealed: true } as object))
      const results = await backend.send(sampleEvents(2, 0, one), never)
      assert.deepEqual(results.map(kindOf), ['outage', 'outage'])
      assert.match(textOf(results[0]), /10109/)
    }))

  test('the stream does not have the subject: a failure of that event alone', () =>
    withBackend({}, {}, async (backend) => {
      const results = await backend.send([sampleEvent(one), sampleEvent({ eventType: 'a.b' }), sampleEvent(one)], never)
      assert.deepEqual(results.map(kindOf), ['ok', 'failure', 'ok'])
      assert.match(textOf(results[1]), /does not have the subject ERRORS\d+\.a\.b/)
    }))

  test('10060, another stream has the subject: a failure of that event alone', async () => {
    await operator((manager) => manager.streams.add({ name: 'OTHER', subjects: ['other'] }))
    const subject: NatsJetStreamOptions['subject'] = (event) => (event.subject === 'x' ? 'other' : `ERRORS${made}.one`)
    await withBackend({ subject }, {}, async (backend) => {
      const results = await backend.send([sampleEvent(), sampleEvent({ subject: 'x' })], never)
      assert.deepEqual(results.map(kindOf), ['ok', 'failure'])
      assert.match(textOf(results[1]), /10060/)
    })
    await operator((manager) => manager.streams.delete('OTHER'))
  })

  test('the stream was deleted: outage, until it is there again', () =>
    withBackend({}, {}, async (backend, name) => {
      await backend.connect?.(never)
      await operator((manager) => manager.streams.delete(name))
      const results = await backend.send(sampleEvents(2, 0, one), never)
      assert.deepEqual(results.map(kindOf), ['outage', 'outage'])
      assert.match(textOf(results[0]), /there is no stream/)
      assert.equal((await backend.healthCheck(never)).healthy, false)
      await operator((manager) => manager.streams.add({ name, subjects: [`${name}.*`] }))
      assert.deepEqual((await backend.send(sampleEvents(2, 0, one), never)).map(kindOf), ['ok', 'ok'])
    }))

  test('there is no stream, and none is to be created: outage', async () => {
    await withBackend({ stream: 'NONE' }, {}, async (backend) => {
      await assert.rejects(async () => backend.connect?.(never), { code: 'SEND_OUTAGE', field: 'stream' })
      assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['outage'])
    })
  })

  test('an existing stream is not changed, and must have the subjects: outage', () =>
    withBackend({}, { max_msgs: 7 }, async (backend, name) => {
      await backend.connect?.(never)
      const again = { stream: { name, create: true, subjects: [`${name}.*`], config: { max_msgs: 8 } } }
      await withBackend(again, {}, async (second) => second.connect?.(never))
      const { config } = await operator((manager) => manager.streams.info(name))
      assert.deepEqual([config.max_msgs, config.duplicate_window], [7, 120e9])
      const more = { stream: { name, create: true, subjects: [`${name}.*`, 'more.>'] } }
      await withBackend(more, {}, async (third) => {
        await assert.rejects(async () => third.connect?.(never), { code: 'SEND_OUTAGE', message: /more\.>/ })
      })
    }))

  test('a subject with a wildcard, or a function that throws: permanent', () => {
    const subject: NatsJetStreamOptions['subject'] = (event) => {
      if (event.subject === 'x') throw new Error('no subject for x')
      return 'a.*'
    }
    return withBackend({ subject }, {}, async (backend) => {
      const results = await backend.send([sampleEvent(), sampleEvent({ subject: 'x' })], never)
      assert.deepEqual(results.map(kindOf), ['permanent', 'permanent'])
    })
  })

  test('wrong password: outage', () =>
    withBackend({ connection: { user: 'app', pass: 'wrong' } }, {}, async (backend) => {
      const results = await backend.send(sampleEvents(2), never)
      assert.deepEqual(results.map(kindOf), ['outage', 'outage'])
      assert.match(textOf(results[0]), /Authorization Violation/i)
    }))

  test('this user may not publish to the subject: a failure of the events that have it', () =>
    withBackend({ connection: { user: 'app', pass: 'right' } }, {}, async (backend) => {
      const results = await backend.send(sampleEvents(2, 0, one), never)
      assert.deepEqual(results.map(kindOf), ['failure', 'failure'])
      assert.match(textOf(results[0]), /may not do that/)
    }))

  test('JetStream is not enabled: outage', async () => {
    const plain = await NatsProcess.start('', false)
    await withBackend({ url: plain.url, connection: {} }, {}, async (backend) => {
      assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['outage'])
    })
    await plain.remove()
  })

  test('nobody listens: outage; the first of several servers that answers is taken', async () => {
    await withBackend({ url: 'nats://127.0.0.1:1' }, {}, async (backend) => {
      assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['outage'])
    })
    await withBackend({ url: ['nats://127.0.0.1:1', server.url] }, {}, async (backend) => {
      assert.deepEqual((await backend.send(sampleEvents(1, 0, one), never)).map(kindOf), ['ok'])
    })
  })

  test('no answer, on an open connection and on a new one: outage; delivered once when it is back', () =>
    withBackend({}, {}, async (backend, name) => {
      await backend.connect?.(never)
      const events = sampleEvents(3, 0, one)
      server.freeze()
      try {
        assert.deepEqual((await backend.send(events, never)).map(kindOf), ['outage', 'outage', 'outage'])
        assert.deepEqual((await backend.send(events, never)).map(kindOf), ['outage', 'outage', 'outage'])
      } finally {
        server.thaw()
      }
      assert.deepEqual((await backend.send(events, never)).map(kindOf), ['ok', 'ok', 'ok'])
      // What the server read late, and what was sent again, are the same events.
      const { state } = await operator((manager) => manager.streams.info(name))
      assert.equal(state.messages, 3)
    }))

  test('a question to JetStream that nobody answers is asked again, as after the election of a leader', async () => {
    // The first question goes where somebody listens and says nothing, as a server does whose stream has no leader.
    const silent = await connect({ servers: server.url, ...OPERATOR })
    const asked = silent.subscribe('$JS.API.STREAM.INFX.>', { max: 1 })
    await silent.flush()
    let misled = false
    const proxy = createServer((client) => {
      const upstream = connectTo(server.port, '127.0.0.1')
      for (const socket of [client, upstream]) {
        socket.on('error', () => undefined).on('close', () => [client, upstream].forEach((each) => void each.destroy()))
      }
      upstream.pipe(client)
      client.on('data', (chunk) => {
        const text = chunk.toString('latin1')
        const leads = !misled && text.includes('API.STREAM.INFO.')
        misled ||= leads
        upstream.write(leads ? text.replace('API.STREAM.INFO.', 'API.STREAM.INFX.') : text, 'latin1')
      })
    }).listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const url = `nats://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    try {
      await withBackend({ url }, {}, async (backend) => {
        assert.deepEqual((await backend.send(sampleEvents(1, 0, one), never)).map(kindOf), ['ok'])
      })
      let questions = 0
      for await (const _ of asked) questions++
      assert.equal(questions, 1)
    } finally {
      proxy.close()
      await silent.close()
    }
  })

  test('the connection is cut in the middle of a send: each event says at once what is known of it', {
    timeout: 10_000,
  }, async (t) => {
    const proxy = await CuttingProxy.to(server.port)
    t.after(() => proxy.close())
    const servers = `nats://127.0.0.1:${proxy.port}`
    await withBackend({ url: servers, concurrency: 1, timeout: 60_000 }, {}, async (backend) => {
      assert.deepEqual((await backend.send([sampleEvent(one)], never)).map(kindOf), ['ok'])
      proxy.cutInsteadOfAnswer(3)
      const results = await backend.send(sampleEvents(5, 0, one), never)
      assert.deepEqual(results.map(kindOf), ['ok', 'ok', 'outage', 'not-attempted', 'not-attempted'])
      assert.deepEqual((await backend.send([sampleEvent(one)], never)).map(kindOf), ['ok'])
    })
  })

  test('a second delivery of an event is acknowledged and dropped; the same id of another source is not', () =>
    withBackend({}, {}, async (backend, name) => {
      // Joined without care, the third would be the first.
      const ids = [
        ['/a b', 'x'],
        ['/a b', 'x'],
        ['/a', 'b x'],
        ['/c', 'x'],
      ] as const
      const events = ids.map(([source, eventId]) => sampleEvent({ ...one, source, eventId }))
      assert.deepEqual((await backend.send(events, never)).map(kindOf), ['ok', 'ok', 'ok', 'ok'])
      const { state } = await operator((manager) => manager.streams.info(name))
      assert.equal(state.messages, 3)
    }))

  test('an injected connection that its owner closed: outage', async () => {
    const client = await connect({ servers: server.url, ...OPERATOR })
    const backend = natsJetStream({ client, stream: 'ANY' })
    await client.close()
    assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['outage'])
    await backend.close()
  })

  test('options: every problem in one error', () => {
    assert.throws(
      () => natsJetStream({ stream: 'a.b', subject: 'x.*', timeout: 0, ulr: 'nats://x' } as never),
      (error: Error) => /stream/.test(error.message) && /subject/.test(error.message) && /url/.test(error.message),
    )
    assert.throws(() => natsJetStream({ stream: 'S' }).checkConfig?.({ subject: 'x' }), { code: 'INVALID_OPTION' })
  })

  test('the default subject is the type, made safe', async () => {
    const options = { stream: { name: 'DEFAULTS', create: true }, subject: 'events.{type}' } as const
    await withBackend(options, {}, async (backend) => {
      const types = ['order.placed', 'a..b', 'über > *all']
      await backend.send(
        types.map((eventType) => sampleEvent({ eventType })),
        never,
      )
      const { state } = await operator((manager) => manager.streams.info('DEFAULTS', { subjects_filter: '>' }))
      const subjects = ['events.a._.b', 'events.order.placed', 'events.über____all']
      assert.deepEqual(Object.keys(state.subjects ?? {}).toSorted(), subjects.toSorted())
    })
    await operator((manager) => manager.streams.delete('DEFAULTS'))
  })
})
