import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Backend } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { type RedisStreamsOptions, redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { sampleEvents } from '../../src/testing/sample-events.ts'
import { RedisProcess, skipWithoutRedisServer } from './redis-process.ts'

const skip = skipWithoutRedisServer()
const never = new AbortController().signal
const PATIENCE = 10_000

describe('redisStreams: trimming what was acknowledged', { skip }, () => {
  let server: RedisProcess
  let admin: Redis
  before(async () => {
    if (skip !== false) return
    // Small nodes: only whole ones are dropped.
    server = await RedisProcess.start('--stream-node-max-entries', '10')
    admin = new Redis(server.port)
  })
  beforeEach(async () => void (await admin?.flushall()))
  after(async () => {
    admin?.disconnect()
    await server?.remove()
  })

  async function withBackend(work: (backend: Backend) => Promise<void>, options: RedisStreamsOptions = {}) {
    const backend = redisStreams({ url: server.url, trim: 'acknowledged', ...options })
    try {
      await work(backend)
    } finally {
      await backend.close()
    }
  }

  async function read(group: string, count: number, consumer = 'c'): Promise<readonly string[]> {
    const reply = await admin.xreadgroup('GROUP', group, consumer, 'COUNT', count, 'STREAMS', 'events', '>')
    const [[, entries]] = reply as [[string, [string, string[]][]]]
    return entries.map(([id]) => id)
  }

  const acknowledge = (group: string, ids: readonly string[]) => admin.xack('events', group, ...ids)
  const send = (backend: Backend, count: number) => backend.send(sampleEvents(count), never)

  /** Sends one event after another, which the group `reader` acknowledges, until the stream has no more entries than that. */
  async function untilLength(backend: Backend, most: number, reader?: string): Promise<void> {
    const end = Date.now() + PATIENCE
    for (;;) {
      await send(backend, 1)
      if (reader !== undefined) await acknowledge(reader, await read(reader, 10))
      const length = await admin.xlen('events')
      if (length <= most) return
      assert.ok(Date.now() < end, `${length} entries are left, and not ${most}`)
      await delay(50)
    }
  }

  test('what every group has acknowledged goes; what one has not read or acknowledged stays', () =>
    withBackend(async (backend) => {
      await admin.xgroup('CREATE', 'events', 'fast', '0', 'MKSTREAM')
      await admin.xgroup('CREATE', 'events', 'slow', '0')
      await send(backend, 500)
      await acknowledge('fast', await read('fast', 500))
      const [first = '', ...others] = await read('slow', 300)
      await acknowledge('slow', others)
      for (let n = 0; n < 3; n++) {
        await send(backend, 1)
        await delay(1_050)
      }
      assert.equal(await admin.xlen('events'), 503, 'the first entry is pending still')
      await acknowledge('slow', [first])
      // 200 that slow has not read, and the rest of a node; those that are sent to trim are read by nobody.
      await untilLength(backend, 260)
      const left = await read('slow', 1_000)
      assert.ok(left.length >= 200)
      assert.equal((await admin.xpending('events', 'slow'))[0], left.length)
    }))

  test('without a group nothing is trimmed', () =>
    withBackend(async (backend) => {
      for (let n = 0; n < 3; n++) {
        await send(backend, 100)
        await delay(1_050)
      }
      assert.equal(await admin.xlen('events'), 300)
      assert.deepEqual(await backend.findings?.(never), [])
    }))

  test('a group that stands still for groupExpiry keeps nothing back any more, and doctor says so', () =>
    withBackend(
      async (backend) => {
        await admin.xgroup('CREATE', 'events', 'gone', '0', 'MKSTREAM')
        await admin.xgroup('CREATE', 'events', 'idle', '$')
        await admin.xgroup('CREATE', 'events', 'here', '0')
        await send(backend, 300)
        await acknowledge('idle', await read('idle', 300))
        await acknowledge('here', await read('here', 300))
        assert.equal(await admin.xlen('events'), 300)
        await untilLength(backend, 100, 'here')
        const findings = (await backend.findings?.(never)) ?? []
        const about = (group: string) => findings.filter(({ message }) => message.includes(`group ${group} `))
        assert.match(
          about('gone')
            .map(({ message }) => message)
            .join('\n'),
          /has been stalled for/,
        )
        // It was trimmed: that is told as well.
        assert.ok(about('gone').some(({ level }) => level === 'wrong'))
      },
      { groupExpiry: 2_000 },
    ))

  test('a group that has read all is not idle, however long nothing comes', () =>
    withBackend(
      async (backend) => {
        for (const group of ['quiet', 'other']) await admin.xgroup('CREATE', 'events', group, '0', 'MKSTREAM')
        // The second is acknowledged before the groups are looked at again: there, both have nothing to do.
        for (const count of [100, 1]) {
          await send(backend, count)
          for (const group of ['quiet', 'other']) await acknowledge(group, await read(group, count))
        }
        await admin.xgroup('DELCONSUMER', 'events', 'quiet', 'c')
        await delay(4_500)
        // What came in between waits for it, though the other one has it all.
        for (const count of [100, 1]) {
          await send(backend, count)
          await acknowledge('other', await read('other', count))
        }
        await delay(1_500)
        assert.equal((await read('quiet', 300)).length, 101, 'what came since is there')
        assert.ok((await admin.xlen('events')) < 202, 'and what was acknowledged is not')
      },
      { groupExpiry: 3_000 },
    ))

  test('a group whose consumer asks keeps back what it has not acknowledged, however long that takes', () =>
    withBackend(
      async (backend) => {
        for (const group of ['stuck', 'other']) await admin.xgroup('CREATE', 'events', group, '0', 'MKSTREAM')
        await send(backend, 100)
        const [first = '', ...others] = await read('stuck', 100)
        await acknowledge('stuck', others)
        await acknowledge('other', await read('other', 100))
        for (const end = Date.now() + 3_500; Date.now() < end; await delay(200)) {
          await admin.xreadgroup('GROUP', 'stuck', 'c', 'COUNT', 1, 'STREAMS', 'events', '0')
          await send(backend, 1)
          await acknowledge('other', await read('other', 10))
        }
        assert.deepEqual((await admin.xrange('events', first, first)).length, 1)
      },
      { groupExpiry: 1_000 },
    ))

  test('by default nothing is trimmed, neither what is read nor what is much', async () => {
    const backend = redisStreams({ url: server.url })
    try {
      await admin.xgroup('CREATE', 'events', 'all', '0', 'MKSTREAM')
      for (let n = 0; n < 12; n++) await send(backend, 1_000)
      await acknowledge('all', await read('all', 12_000))
      await send(backend, 1)
      // Longer than a look at the groups would wait.
      await delay(1_500)
      assert.equal(await admin.xlen('events'), 12_001)
    } finally {
      await backend.close()
    }
  })

  test('doctor tells of what was trimmed unread by length', () =>
    withBackend(
      async (backend) => {
        await admin.xgroup('CREATE', 'events', 'late', '0', 'MKSTREAM')
        await send(backend, 250)
        await send(backend, 1)
        const [finding, ...more] = (await backend.findings?.(never)) ?? []
        assert.deepEqual(more, [])
        assert.equal(finding?.level, 'wrong')
        assert.match(finding?.message ?? '', /stream events were trimmed before the group late had read them: 151/)
        const outbox = new Broadcaster({ store: memoryStore(), backends: { default: backend } })
        assert.deepEqual(await outbox.getBackendFindings(), { default: [finding] })
      },
      { trim: { maxLength: 100, approximate: false } },
    ))

  test('a user who may not trim is told so by the health check, and sends all the same', async () => {
    await admin.call('ACL', 'SETUSER', 'app', 'on', '>p', '~*', '+@all', '-xtrim')
    await admin.xgroup('CREATE', 'events', 'g', '0', 'MKSTREAM')
    await withBackend(
      async (backend) => {
        const end = Date.now() + PATIENCE
        for (;;) {
          assert.ok((await send(backend, 1))[0]?.ok)
          await acknowledge('g', await read('g', 1))
          const { healthy, detail } = await backend.healthCheck(never)
          assert.equal(healthy, true)
          if (/trims nothing: .*NOPERM/.test(detail ?? '')) return
          assert.ok(Date.now() < end, detail)
          await delay(50)
        }
      },
      { url: server.url.replace('//', '//app:p@') },
    )
  })
})
