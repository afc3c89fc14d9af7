import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createClient, createCluster } from 'redis'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { type RedisStreamsOptions, redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { CuttingProxy } from './cutting-proxy.ts'
import { freePort, RedisProcess, skipWithoutRedisServer } from './redis-process.ts'
import { StoppableProxy } from './stoppable-proxy.ts'

const skip = skipWithoutRedisServer()
const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)

/** How often each outcome occurs, in the order of first occurrence. */
function countKinds(results: readonly SendResult[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const result of results) {
    const kind = kindOf(result) ?? 'none'
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

describe('redisStreams: connections', { skip }, () => {
  let server: RedisProcess
  const connectTo = () => createClient({ url: server.url })
  let admin: ReturnType<typeof connectTo>
  before(async () => {
    if (skip !== false) return
    server = await RedisProcess.start()
    admin = connectTo()
    admin.on('error', () => undefined)
    await admin.connect()
  })
  beforeEach(async () => {
    if (skip === false) await admin.flushAll()
  })
  after(async () => {
    admin?.destroy()
    await server?.remove()
  })

  async function withBackend(options: RedisStreamsOptions, work: (backend: Backend) => Promise<void>): Promise<void> {
    const backend = redisStreams({
      trim: false,
      ...(options.client ? {} : { host: '127.0.0.1', port: server.port }),
      ...options,
    })
    try {
      await work(backend)
    } finally {
      await backend.close()
    }
  }

  test('a connection lost in the middle of a send: each event says what is known of it', async (t) => {
    const proxy = await CuttingProxy.to(server.port)
    t.after(() => proxy.close())
    await withBackend({ port: proxy.port }, async (backend) => {
      await backend.send([sampleEvent()], never)
      proxy.cutInsteadOfAnswer(2)
      // Three commands of a thousand: acknowledged; added, but the answer is lost; never sent.
      const events = sampleEvents(3_000, 100)
      const results = await backend.send(events, never)
      assert.deepEqual(countKinds(results), { ok: 1_000, outage: 1_000, 'not-attempted': 1_000 })
      assert.deepEqual(results.map(kindOf), [
        ...Array<string>(1_000).fill('ok'),
        ...Array<string>(1_000).fill('outage'),
        ...Array<string>(1_000).fill('not-attempted'),
      ])
      assert.equal(await admin.xLen('events'), 2_001)
      // The next send connects again by itself.
      assert.deepEqual(countKinds(await backend.send(events.slice(1_000), never)), { ok: 2_000 })
      // Events without a key fare no worse: what was never sent is no outage.
      proxy.cutInsteadOfAnswer(2)
      const counts = countKinds(await backend.send(sampleEvents(3_000), never))
      assert.deepEqual(counts, { ok: 1_000, outage: 1_000, 'not-attempted': 1_000 })
    })
  })

  test('a connection lost in the middle of a pipeline of plain XADDs: the same, event by event', async (t) => {
    const proxy = await CuttingProxy.to(server.port)
    t.after(() => proxy.close())
    await admin.sendCommand(['ACL', 'SETUSER', 'plain', 'on', '>p', '~*', '+@all', '-@scripting'])
    const login = { username: 'plain', password: 'p' }
    await withBackend({ port: proxy.port, ...login, timeout: 1_000 }, async (backend) => {
      assert.deepEqual(countKinds(await backend.send([sampleEvent()], never)), { ok: 1 })
      // Two events of one key are two pipelines of one command: the second answer is lost.
      proxy.cutInsteadOfAnswer(2)
      const results = await backend.send(sampleEvents(3, 1), never)
      assert.deepEqual(results.map(kindOf), ['ok', 'outage', 'not-attempted'])
      assert.equal(await admin.xLen('events'), 3)
    })
  })

  test('a server that accepts and says nothing is an outage within the timeout, and a new connection heals it', async () => {
    await withBackend({ timeout: 200, connectTimeout: 300 }, async (backend) => {
      await backend.send([sampleEvent()], never)
      server.freeze()
      try {
        const began = performance.now()
        assert.deepEqual(countKinds(await backend.send(sampleEvents(5), never)), { outage: 5 })
        assert.ok(performance.now() - began < 15_000)
        // The connection was dropped: now the new one is not answered either.
        assert.deepEqual(countKinds(await backend.send(sampleEvents(5), never)), { outage: 5 })
        assert.equal((await backend.healthCheck(never)).healthy, false)
        assert.ok(performance.now() - began < 15_000)
      } finally {
        server.thaw()
      }
      assert.deepEqual(countKinds(await backend.send(sampleEvents(5), never)), { ok: 5 })
    })
  })

  test('a send that ends before the reply is due: its connection is dropped once the reply is overdue', {
    timeout: 60_000,
  }, async (t) => {
    const proxy = await StoppableProxy.to(server.port)
    t.after(() => proxy.stop())
    await withBackend({ port: proxy.port, timeout: 200 }, async (backend) => {
      await backend.send([sampleEvent()], never)
      assert.equal(proxy.connections, 1)
      proxy.silence('both')
      const stop = new AbortController()
      const sending = backend.send([sampleEvent()], stop.signal)
      setImmediate(() => stop.abort())
      assert.deepEqual(countKinds(await sending), { outage: 1 })
      while (proxy.connections > 0) await setTimeout(10, undefined, { signal: t.signal })
      proxy.silence(false)
      assert.deepEqual(countKinds(await backend.send([sampleEvent()], never)), { ok: 1 })
    })
  })

  test('an abort before a reply that comes in time leaves the connection as it is', async (t) => {
    const proxy = await StoppableProxy.to(server.port)
    t.after(() => proxy.stop())
    await withBackend({ port: proxy.port }, async (backend) => {
      await backend.send([sampleEvent()], never)
      const stop = new AbortController()
      const sending = backend.send([sampleEvent()], stop.signal)
      stop.abort()
      await sending
      assert.deepEqual(countKinds(await backend.send([sampleEvent()], never)), { ok: 1 })
      assert.equal(proxy.connections, 1)
    })
  })

  test('a send may take longer than a reply and than connecting, so that those end first', async () => {
    await withBackend({}, async ({ timeout }) => assert.equal(timeout, 5_250))
    await withBackend({ timeout: 100, connectTimeout: 300 }, async ({ timeout }) => assert.equal(timeout, 550))
  })

  test('nobody listens: an outage at once; connect says so at start', async () => {
    await withBackend({ port: await freePort() }, async (backend) => {
      assert.deepEqual(countKinds(await backend.send(sampleEvents(2), never)), { outage: 2 })
      const health = await backend.healthCheck(never)
      assert.equal(health.healthy, false)
      assert.match(health.detail ?? '', /ECONNREFUSED/)
      await assert.rejects(async () => backend.connect?.(never), { code: 'SEND_OUTAGE' })
    })
  })

  test('after a restart, or SCRIPT FLUSH, the script is loaded again', async () => {
    await withBackend({}, async (backend) => {
      assert.deepEqual(countKinds(await backend.send(sampleEvents(2), never)), { ok: 2 })
      await admin.scriptFlush()
      assert.deepEqual(countKinds(await backend.send(sampleEvents(2), never)), { ok: 2 })
      assert.equal(await admin.xLen('events'), 4)
    })
  })

  test('where scripts are forbidden plain XADDs keep the order of each key, and stop it at a refusal', async () => {
    await admin.sendCommand(['ACL', 'SETUSER', 'plain', 'on', '>p', '~*', '+@all', '-@scripting'])
    await admin.set('not', 'a stream')
    const stream = (event: OutgoingEvent) => (event.subject === 'refused' ? 'not' : 'events')
    await withBackend({ username: 'plain', password: 'p', stream, trim: { maxAge: 60_000 } }, async (backend) => {
      const events = sampleEvents(60, 4)
      assert.deepEqual(countKinds(await backend.send(events, never)), { ok: 60 })
      const ids = ((await admin.xRange('events', '-', '+')) ?? []).map(({ message }) => message['event_id'])
      for (const key of ['key-0', 'key-1', 'key-2', 'key-3']) {
        const own = events.filter(({ partitionKey }) => partitionKey === key).map(({ id }) => id)
        assert.deepEqual(
          ids.filter((id) => own.includes(String(id))),
          own,
        )
      }
      const more = [{}, { subject: 'refused' }, {}].map((each) => sampleEvent({ ...each, partitionKey: 'k' }))
      assert.deepEqual((await backend.send(more, never)).map(kindOf), ['ok', 'permanent', 'not-attempted'])
    })
  })

  test('events of one key on several streams keep their order, and stop at a refusal', async () => {
    await admin.set('not', 'a stream')
    await withBackend({ stream: ({ subject }) => subject ?? '' }, async (backend) => {
      const events = ['a', 'b', 'a', 'not', 'a', 'b'].map((subject) => sampleEvent({ subject, partitionKey: 'k' }))
      const results = await backend.send([...events, sampleEvent({ subject: 'b' })], never)
      assert.deepEqual(results.map(kindOf), ['ok', 'ok', 'ok', 'permanent', 'not-attempted', 'not-attempted', 'ok'])
      assert.equal(await admin.xLen('a'), 2)
    })
  })

  test('a cluster: each stream on its own node, order kept, gone and back', async () => {
    const nodes = [
      await RedisProcess.start('--cluster-enabled', 'yes'),
      await RedisProcess.start('--cluster-enabled', 'yes'),
    ]
    const admins = nodes.map(({ url }) => createClient({ url }))
    try {
      await Promise.all(admins.map((each) => each.connect()))
      const [first, second] = admins
      await first?.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '8191'])
      await second?.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '8192', '16383'])
      await first?.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', String(nodes[1]?.port)])
      for (const each of admins) {
        while (!String(await each.sendCommand(['CLUSTER', 'INFO'])).includes('cluster_slots_ok:16384'));
        while (!String(await each.sendCommand(['CLUSTER', 'INFO'])).includes('cluster_state:ok'));
      }
      const cluster = { nodes: nodes.map(({ port }) => `127.0.0.1:${port}`) }
      // 'a' is slot 15495, 'b' is slot 3300.
      const stream = ({ subject }: OutgoingEvent) => subject ?? ''
      const events = ['a', 'b', 'a', 'b', 'a'].map((subject) => sampleEvent({ subject, partitionKey: 'k' }))
      const own = redisStreams({ cluster, stream, trim: false })
      assert.deepEqual(countKinds(await own.send(events, never)), { ok: 5 })
      assert.equal((await own.healthCheck(never)).healthy, true)
      assert.equal(await second?.xLen('a'), 3)
      assert.equal(await first?.xLen('b'), 2)
      await own.close()

      const rootNodes = nodes.map(({ url }) => ({ url }))
      const client = createCluster({ rootNodes, defaults: { disableOfflineQueue: true } })
      await client.connect()
      const injected = redisStreams({ client, stream, trim: false })
      assert.deepEqual(countKinds(await injected.send(events, never)), { ok: 5 })
      client.destroy()

      const io = new Redis.Cluster(
        nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
        { enableOfflineQueue: false, lazyConnect: true, redisOptions: { autoResendUnfulfilledCommands: false } },
      )
      await io.connect()
      const injectedIo = redisStreams({ client: io, stream, trim: false })
      assert.deepEqual(countKinds(await injectedIo.send(events, never)), { ok: 5 })
      io.disconnect()
    } finally {
      for (const each of admins) each.destroy()
      for (const node of nodes) await node.remove()
    }
  })
})
