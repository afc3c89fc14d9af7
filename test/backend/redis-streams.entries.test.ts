import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createClient } from 'redis'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import { appendCommand, readAppended } from '../../src/redis-streams/append-script.ts'
import { type RedisStreamsOptions, redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { RedisProcess, skipWithoutRedisServer } from './redis-process.ts'

const skip = skipWithoutRedisServer()
const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)

describe('redisStreams: entries', { skip }, () => {
  let server: RedisProcess
  const connectTo = () => createClient({ url: server.url })
  let admin: ReturnType<typeof connectTo>
  before(async () => {
    if (skip !== false) return
    server = await RedisProcess.start()
    admin = connectTo()
    await admin.connect()
    await admin.sendCommand(['ACL', 'SETUSER', 'plain', 'on', '>p', '~*', '+@all', '-@scripting'])
  })
  beforeEach(async () => {
    if (skip === false) await admin.flushAll()
  })
  after(async () => {
    admin?.destroy()
    await server?.remove()
  })

  /** Runs with the script, and where scripts are forbidden. */
  async function bothWays(options: RedisStreamsOptions, work: (backend: Backend) => Promise<void>): Promise<void> {
    for (const login of [{}, { username: 'plain', password: 'p' }]) {
      await admin.flushAll()
      const backend = redisStreams({ host: '127.0.0.1', port: server.port, ...login, ...options })
      try {
        await work(backend)
      } finally {
        await backend.close()
      }
    }
  }

  const entries = async (stream = 'events') => (await admin.xRange(stream, '-', '+')) ?? []

  test('the fields are those of Django Broadcaster, in its order, then those of the config', () =>
    bothWays({}, async (backend) => {
      const event = sampleEvent({ publisherConfig: '{"region":"eu","n":7,"big":12345678901234567890,"b":true}' })
      assert.equal(kindOf((await backend.send([event], never))[0]), 'ok')
      const [entry] = await entries()
      assert.deepEqual(Object.entries({ ...entry?.message }), [
        ['event_id', event.id],
        ['event_type', 'order.created'],
        ['source', '/orders'],
        ['timestamp', '2026-01-02T03:04:05.678Z'],
        [
          'cloud_event',
          `{"specversion":"1.0","id":"${event.id}","source":"/orders","type":"order.created","time":"2026-01-02T03:04:05.678Z","datacontenttype":"application/json","data":{"total":42}}`,
        ],
        ['region', 'eu'],
        ['n', '7'],
        ['big', '12345678901234567890'],
        ['b', 'true'],
      ])
    }))

  test('events with fields of their own and without mix in one send', () =>
    bothWays({ trim: { maxLength: 1_000_000 } }, async (backend) => {
      const events = Array.from({ length: 20 }, (_, n) =>
        sampleEvent({ partitionKey: `k${n % 3}`, publisherConfig: n % 3 === 0 ? '{}' : `{"n":${n}}` }),
      )
      assert.ok((await backend.send(events, never)).every(({ ok }) => ok))
      const found = new Map((await entries()).map(({ message }) => [message['event_id'], message['n']]))
      for (const [n, event] of events.entries()) {
        assert.equal(found.get(event.id), n % 3 === 0 ? undefined : String(n))
      }
    }))

  test('the script goes on after an entry that Redis refuses, but not with its key', async () => {
    const entry = (extra: readonly string[]) => ({ values: ['1', 't', 's', 'now', '{}'] as const, extra, size: 1 })
    // A field without a value: Redis refuses this entry alone.
    const batch = [
      { key: 'a', entry: entry([]) },
      { key: '', entry: entry(['odd']) },
      { key: null, entry: entry(['odd']) },
      { key: '', entry: entry([]) },
      { key: 'a', entry: entry(['even', '1']) },
      { key: null, entry: entry([]) },
    ]
    for (const trim of [undefined, { kind: 'MAXLEN', operator: '~', bound: 100 }] as const) {
      await admin.flushAll()
      const reply = await admin.sendCommand(appendCommand('EVAL', 'events', trim, batch))
      const appended = readAppended(reply, batch.length)
      assert.ok(appended)
      const kinds = appended.map((each) => (typeof each === 'object' ? each.error.split(' ')[0] : each))
      assert.deepEqual(kinds, ['added', 'ERR', 'ERR', 'not-attempted', 'added', 'added'])
      assert.equal(await admin.xLen('events'), 3)
    }
    assert.equal(readAppended(['x'], 2), undefined)
  })

  test('a config that cannot be fields is refused at publish, and for good when it comes from elsewhere', () =>
    bothWays({}, async (backend) => {
      for (const config of [{ source: 'x' }, { a: null }, { a: [1] }, { a: { b: 1 } }]) {
        assert.throws(() => backend.checkConfig?.(config), { code: 'INVALID_OPTION' })
        const bad = sampleEvent({ partitionKey: 'k', publisherConfig: JSON.stringify(config) })
        const results = await backend.send([bad, sampleEvent({ partitionKey: 'k' }), sampleEvent()], never)
        assert.deepEqual(results.map(kindOf), ['permanent', 'not-attempted', 'ok'])
      }
      backend.checkConfig?.({ a: 'x', b: 1, c: false })
    }))

  test('trim: nothing by default; the last ones, about or exactly; by age', async () => {
    const events = sampleEvents(10_500)
    await bothWays({ trim: { maxLength: 10_000 } }, async (backend) => {
      for (let n = 0; n < events.length; n += 700) await backend.send(events.slice(n, n + 700), never)
      const length = await admin.xLen('events')
      assert.ok(length >= 10_000 && length < 10_500, `${length} entries`)
    })
    const some = events.slice(0, 300)
    await bothWays({ trim: { maxLength: 7, approximate: false } }, async (backend) => {
      await backend.send(some, never)
      assert.deepEqual(
        (await entries()).map(({ message }) => message['event_id']),
        some.slice(-7).map(({ id }) => id),
      )
    })
    await bothWays({ trim: { maxAge: 60_000, approximate: false } }, async (backend) => {
      const [seconds] = (await admin.sendCommand(['TIME'])) as [string]
      await admin.xAdd('events', `${(Number(seconds) - 61) * 1000}-0`, { old: '1' })
      await admin.xAdd('events', `${(Number(seconds) - 30) * 1000}-0`, { young: '1' })
      await backend.send(some, never)
      assert.equal(await admin.xLen('events'), 301)
      assert.deepEqual({ ...(await entries())[0]?.message }, { young: '1' })
    })
    await bothWays({ stream: 'all' }, async (backend) => {
      for (let n = 0; n < events.length; n += 700) await backend.send(events.slice(n, n + 700), never)
      assert.equal(await admin.xLen('all'), 10_500)
    })
  })

  test('a stream for each event; a function that throws is this event’s own failure', () =>
    bothWays(
      {
        stream: ({ type }) => {
          if (type === 'bad') throw new Error('no stream for it')
          if (type === 'broken') return 'events:\ud800'
          return `events:${type}`
        },
      },
      async (backend) => {
        const results = await backend.send(
          ['a', 'bad', 'broken', 'b'].map((eventType) => sampleEvent({ eventType })),
          never,
        )
        assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'permanent', 'ok'])
        assert.equal(await admin.exists('events:\ufffd'), 0)
        assert.deepEqual([await admin.xLen('events:a'), await admin.xLen('events:b')], [1, 1])
      },
    ))
})

describe('redisStreams: options', () => {
  test('every problem in one error', () => {
    assert.throws(
      () =>
        redisStreams({ prot: 1, port: 0, db: -1, trim: { maxLength: 0 }, connectTimeout: 1.5, stream: '' } as never),
      (error: Error) => {
        for (const part of [
          'prot is not an option; did you mean "port"',
          'port is 0; give a whole number from 1 to 65535',
          'db is -1',
          'trim.maxLength is 0; give a whole number, 1 or more',
          'connectTimeout is 1.5',
          'stream is ""',
        ]) {
          assert.ok(error.message.includes(part), `${part} in ${error.message}`)
        }
        return true
      },
    )
    for (const bad of [
      { url: 'http://x' },
      { url: 'redis://x', host: 'y' },
      { cluster: { nodes: ['a:1'] }, host: 'y' },
      { cluster: { nodes: [''] } },
      { client: {} },
      { client: { sendCommand: async () => 1, options: { disableOfflineQueue: true } }, host: 'x' },
      { trim: { maxLength: 1, maxAge: 1 } },
    ]) {
      assert.throws(() => redisStreams(bad as RedisStreamsOptions), { code: 'INVALID_OPTION' }, JSON.stringify(bad))
    }
  })

  test('a client that keeps or repeats commands by itself is refused, with the cure', async () => {
    const { Redis } = await import('ioredis')
    const queueing = createClient()
    assert.throws(() => redisStreams({ client: queueing }), /disableOfflineQueue: true/)
    const io = new Redis({ lazyConnect: true })
    assert.throws(() => redisStreams({ client: io }), /enableOfflineQueue: false, autoResendUnfulfilledCommands: false/)
  })
})
