import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { memoryBackend } from '../../src/memory.ts'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import { natsJetStream } from '../../src/nats/nats.ts'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { sampleEvents } from '../../src/testing/sample-events.ts'
import { webhook } from '../../src/webhook/webhook.ts'

const never = new AbortController().signal

/** A server that takes every connection, reads, and never says a word. */
async function silentServer(t: TestContext): Promise<{ readonly port: number; readonly open: ReadonlySet<Socket> }> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined).on('close', () => open.delete(socket))
    socket.resume()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, open }
}

const forever = new Promise<never>(() => undefined)

/** Some turns of the event loop, in which all happens that waits for no timer. */
async function turns(): Promise<void> {
  for (let n = 0; n < 100; n++) await new Promise((resolve) => setImmediate(resolve))
}

describe('close ends, whatever hangs', () => {
  const backends: Readonly<Record<string, (port: number) => Backend>> = {
    webhook: (port) => webhook({ url: `http://127.0.0.1:${port}/`, timeout: 500 }),
    'webhook, batches': (port) => webhook({ url: `http://127.0.0.1:${port}/`, timeout: 500, mode: 'batch' }),
    kafka: (port) => kafka({ bootstrapServers: `127.0.0.1:${port}`, topic: 'x', connectTimeout: 500, timeout: 500 }),
    mqtt: (port) => mqtt({ url: `mqtt://127.0.0.1:${port}`, connectTimeout: 500, timeout: 500 }),
    nats: (port) => natsJetStream({ url: `127.0.0.1:${port}`, stream: 'S', connectTimeout: 500, timeout: 500 }),
    rabbitmq: (port) => rabbitmq({ url: `amqp://127.0.0.1:${port}`, connectTimeout: 500, timeout: 500 }),
    redis: (port) => redisStreams({ url: `redis://127.0.0.1:${port}`, stream: 's', connectTimeout: 500, timeout: 500 }),
  }
  for (const [name, make] of Object.entries(backends)) {
    test(`${name}: a send to a server that never answers is under way, with a signal that never aborts`, async (t) => {
      const { port } = await silentServer(t)
      const backend = make(port)
      const sending = backend.send(sampleEvents(30, 3), never)
      // The event that says it is under way: a connection at the silent server, or an attempt of one.
      await Promise.race([sending, new Promise((resolve) => setImmediate(resolve))])
      const started = performance.now()
      await backend.close().catch((error: unknown) => assert.equal((error as { code?: string }).code, 'CLOSE_TIMEOUT'))
      assert.ok(performance.now() - started < 12_000, `took ${performance.now() - started} ms`)
      // Nor does the send go on for ever.
      const results = await sending
      assert.equal(results.length, 30)
      assert.ok(results.every(({ ok }) => !ok))
    })
  }

  /** With the client's own limits far away, so that the limit of the close alone can end it. */
  const hour = 3_600_000
  const patient: Readonly<Record<string, (port: number) => Backend>> = {
    kafka: (port) => kafka({ bootstrapServers: `127.0.0.1:${port}`, topic: 'x', connectTimeout: hour, timeout: hour }),
    mqtt: (port) => mqtt({ url: `mqtt://127.0.0.1:${port}`, connectTimeout: hour, timeout: hour }),
    nats: (port) => natsJetStream({ url: `127.0.0.1:${port}`, stream: 'S', connectTimeout: hour, timeout: hour }),
    rabbitmq: (port) => rabbitmq({ url: `amqp://127.0.0.1:${port}`, connectTimeout: hour, timeout: hour }),
    redis: (port) =>
      redisStreams({ url: `redis://127.0.0.1:${port}`, stream: 's', connectTimeout: hour, timeout: hour }),
  }
  for (const [name, make] of Object.entries(patient)) {
    test(`${name}: the close of a backend whose client waits for an hour`, async (t) => {
      const { port, open } = await silentServer(t)
      t.mock.timers.enable({ apis: ['setTimeout'] })
      const backend = make(port)
      void backend.send(sampleEvents(3, 1), never)
      await turns()
      let ended = false
      const closing = backend.close().then(
        () => (ended = true),
        (error: unknown) => {
          ended = true
          assert.equal((error as { code?: string }).code, 'CLOSE_TIMEOUT')
        },
      )
      await turns()
      assert.equal(ended, false, 'the control: nothing else ends it')
      t.mock.timers.tick(10_000)
      await turns()
      assert.ok(ended, 'it has ended after 10 s')
      await closing
      // What the client goes on with by itself must not end in the next test: a timer of this one that it clears there would be
      // taken for one of that test's.
      t.mock.timers.reset()
      for (const socket of open) socket.destroy()
      await turns()
    })
  }

  test('eachEvent: its own close function never resolves', { timeout: 10_000 }, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const closing = assert.rejects(eachEvent(() => undefined, { close: () => forever }).close(), {
      code: 'CLOSE_TIMEOUT',
    })
    await new Promise((resolve) => setImmediate(resolve))
    t.mock.timers.tick(10_000)
    await closing
  })
})

describe('Broadcaster.close', () => {
  /** A Broadcaster of a hanging backend and a good one, and what was closed. */
  function setUp(hanging: Partial<Backend>, store: Store = memoryStore() as Store) {
    const closed: string[] = []
    const close = store.close.bind(store)
    store.close = async () => {
      closed.push('store')
      await close()
    }
    const good: Backend = { ...memoryBackend(), close: async () => void closed.push('good') }
    const broadcaster = new Broadcaster({ store, backends: { hanging: { ...memoryBackend(), ...hanging }, good } })
    return { broadcaster, closed }
  }

  test('a backend whose close never resolves: the others and the store are closed, and it is named', {
    timeout: 10_000,
  }, async (t) => {
    const { broadcaster, closed } = setUp({ close: () => forever })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const closing = assert.rejects(broadcaster.close(), { code: 'CLOSE_TIMEOUT', message: /backend "hanging"/ })
    await new Promise((resolve) => setImmediate(resolve))
    t.mock.timers.tick(10_000)
    await closing
    assert.deepEqual(closed.toSorted(), ['good', 'store'])
  })

  test('a store whose close never resolves', { timeout: 10_000 }, async (t) => {
    const store = memoryStore() as Store
    const { broadcaster, closed } = setUp({}, store)
    store.close = () => forever
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const closing = assert.rejects(broadcaster.close(), { code: 'CLOSE_TIMEOUT' })
    // The backends first, then the store.
    for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve))
    t.mock.timers.tick(10_000)
    await closing
    assert.deepEqual(closed, ['good'])
  })

  test('a backend that throws at once, and one that rejects: all else is closed', async () => {
    for (const close of [
      () => {
        throw new Error('no')
      },
      () => Promise.reject(new Error('no')),
    ]) {
      const { broadcaster, closed } = setUp({ close })
      await assert.rejects(broadcaster.close(), /no/)
      assert.deepEqual(closed.toSorted(), ['good', 'store'])
    }
  })
})
