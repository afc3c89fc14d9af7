import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import { type NatsJetStreamOptions, natsJetStream } from '../../src/nats/nats.ts'
import { failureOf } from '../../src/nats/publish-error.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'
import { NatsProcess, skipWithoutNatsServer } from './nats-process.ts'
import { withManager } from './nats-stream.ts'

const skip = skipWithoutNatsServer()
const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
const textOf = (result: SendResult | undefined) => (result?.ok === false ? String(result.error) : '')

const USERS = `
authorization { users: [
  { user: operator, password: op },
  { user: app, password: right, permissions: { publish: { allow: ["$JS.API.>", "*.order.created"] } } }
] }`
const OPERATOR = { user: 'operator', pass: 'op' }
const APP = { user: 'app', pass: 'right' }

test('natsJetStream: what nobody knows of is the trouble of its event, on a connection that is not to blame', () => {
  for (const thrown of [new TypeError('cannot encode it'), new Error('odd'), 'no error at all', undefined]) {
    const { error, broken } = failureOf(thrown)
    assert.deepEqual([classifySendError(error).kind, broken], ['failure', false], String(thrown))
  }
})

describe('natsJetStream: one event that cannot be sent', { skip }, () => {
  let server: NatsProcess
  let made = 0
  before(async () => {
    server = await NatsProcess.start(USERS)
  })
  after(() => server?.remove())

  async function withBackend(
    options: Partial<NatsJetStreamOptions>,
    config: Readonly<Record<string, unknown>>,
    work: (backend: Backend, name: string) => Promise<void>,
  ): Promise<void> {
    const name = `POISON${++made}`
    await withManager(
      server.url,
      (manager) => manager.streams.add({ name, subjects: [`${name}.>`], ...config } as { name: string }),
      OPERATOR,
    )
    const backend = natsJetStream({
      url: server.url,
      connection: APP,
      stream: name,
      subject: `${name}.{type}`,
      timeout: 2_000,
      ...options,
    })
    try {
      await work(backend, name)
    } finally {
      await backend.close()
    }
  }

  const secret = { eventType: 'secret.told' }

  test('a subject that this user may not publish to is the trouble of its events, and of no other', () =>
    withBackend({}, {}, async (backend) => {
      const events = [sampleEvent(), sampleEvent(secret), sampleEvent(), sampleEvent(secret), sampleEvent()]
      for (let time = 0; time < 3; time++) {
        const results = await backend.send(events, never)
        assert.deepEqual(results.map(kindOf), ['ok', 'failure', 'ok', 'failure', 'ok'])
        assert.match(textOf(results[1]), /secret\.told/)
      }
    }))

  test('when all events have the one subject, it is an outage', () =>
    withBackend({ subject: 'POISON2.elsewhere' }, {}, async (backend) => {
      const results = await backend.send([sampleEvent()], never)
      assert.deepEqual(results.map(kindOf), ['outage'])
    }))

  test('a subject too long for the line before a message: permanent, and the connection lives on', () =>
    withBackend(
      { connection: OPERATOR, subject: (event) => `POISON${made}.${event.subject || 'short'}` },
      {},
      async (backend) => {
        const long = sampleEvent({ subject: 'x'.repeat(5_000) })
        const results = await backend.send([sampleEvent(), long, sampleEvent()], never)
        assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'ok'])
      },
    ))

  test('what a header cannot hold: permanent, for that event alone', () =>
    withBackend({ mode: 'binary' }, {}, async (backend) => {
      const lines = sampleEvent({ dataContentType: 'text/plain\r\nNats-Msg-Id: x', data: '"x"' })
      const name = sampleEvent({ extensions: JSON.stringify({ 'a b:': 'x' }) })
      const large = sampleEvent({ extensions: JSON.stringify({ large: 'x'.repeat(70_000) }) })
      const japanese = sampleEvent({ dataContentType: 'text/plain; title="日本"', data: '"x"' })
      const results = await backend.send([sampleEvent(), lines, name, large, japanese, sampleEvent()], never)
      assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'permanent', 'permanent', 'ok', 'ok'])
    }))

  test('a stream that is full for one subject takes those of the others', () =>
    withBackend(
      { connection: OPERATOR },
      { max_msgs_per_subject: 2, discard: 'new', discard_new_per_subject: true },
      async (backend) => {
        const of = (eventType: string) => sampleEvent({ eventType })
        const results = await backend.send([of('one'), of('one'), of('one'), of('two')], never)
        assert.equal(results.filter(({ ok }) => ok).length, 3)
        assert.deepEqual(results.map(kindOf).toSorted(), ['failure', 'ok', 'ok', 'ok'])
        assert.equal(kindOf(results[3]), 'ok')
      },
    ))
})

describe('natsJetStream: a server in lame duck mode', { skip }, () => {
  test('is left for another one of the list, with no outage between', async () => {
    const servers = [await NatsProcess.start(), await NatsProcess.start()]
    const [first, second] = servers
    assert.ok(first && second)
    const backend = natsJetStream({
      url: servers.map(({ url }) => url),
      connection: { noRandomize: true },
      stream: { name: 'EVENTS', create: true },
    })
    const countOf = (url: string) =>
      withManager(url, async (manager) => (await manager.streams.info('EVENTS')).state.messages)
    try {
      assert.deepEqual((await backend.send([sampleEvent()], never)).map(kindOf), ['ok'])
      assert.equal(await countOf(first.url), 1)
      first.lameDuck()
      let sent = 1
      // It ends no connection before 10 s have passed: until then only who leaves by itself is elsewhere.
      for (const end = Date.now() + 8_000; ; ) {
        assert.deepEqual((await backend.send([sampleEvent()], never)).map(kindOf), ['ok'])
        sent++
        if ((await countOf(second.url).catch(() => 0)) > 0) break
        if (Date.now() > end) assert.fail('it stays with the server that goes')
      }
      assert.ok(sent > 1)
    } finally {
      await backend.close()
      for (const server of servers) await server.remove()
    }
  })
})
