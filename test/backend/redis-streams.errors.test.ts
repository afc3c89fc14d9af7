import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'redis'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { type RedisStreamsOptions, redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { errorOfReply } from '../../src/redis-streams/reply-error.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { freePort, RedisProcess, skipWithoutRedisServer } from './redis-process.ts'

const skip = skipWithoutRedisServer()
const never = new AbortController().signal

const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
const textOf = (result: SendResult | undefined) => (result?.ok === false ? String(result.error) : '')

/** Each line of the error table in docs/backends/redis-streams.md, provoked on a real server. */
describe('redisStreams: error replies', { skip }, () => {
  let server: RedisProcess
  before(async () => {
    if (skip !== false) return
    // The operator has a user of his own, whom the troubles of the default user do not lock out.
    server = await RedisProcess.start('--user', 'operator', 'on', 'nopass', '~*', '&*', '+@all')
  })
  after(() => server?.remove())

  /** Runs commands on the server, as its operator. */
  async function operator(...commands: readonly (readonly string[])[]): Promise<readonly unknown[]> {
    const client = createClient({ url: server.url, username: 'operator', password: 'any' })
    client.on('error', () => undefined)
    await client.connect()
    try {
      const replies: unknown[] = []
      for (const command of commands) replies.push(await client.sendCommand([...command]))
      return replies
    } finally {
      client.destroy()
    }
  }

  async function withBackend(options: RedisStreamsOptions, work: (backend: Backend) => Promise<void>): Promise<void> {
    const backend = redisStreams({ url: server.url, stream: 'errors', trim: false, ...options })
    try {
      await work(backend)
    } finally {
      await backend.close()
    }
  }

  /** The events are an outage while the trouble lasts, say why, and are delivered on the same backend afterwards. */
  async function outage(code: string, cause: string[][], cure: string[][], options: RedisStreamsOptions = {}) {
    await withBackend(options, async (backend) => {
      const events = sampleEvents(3)
      await operator(...cause)
      try {
        const results = await backend.send(events, never)
        assert.deepEqual(results.map(kindOf), ['outage', 'outage', 'outage'])
        assert.match(textOf(results[0]), new RegExp(`\\b${code}\\b`))
      } finally {
        await operator(...cure)
      }
      const results = await backend.send(events, never)
      assert.deepEqual(results.map(kindOf), ['ok', 'ok', 'ok'], textOf(results[0]))
    })
  }

  test('WRONGTYPE with one stream for all events: outage', () =>
    outage('WRONGTYPE', [['SET', 'errors:wrong', '1']], [['DEL', 'errors:wrong']], { stream: 'errors:wrong' }))

  test('WRONGTYPE with a stream for each event: permanent, for that event alone', async () => {
    await operator(['SET', 'errors:not', '1'])
    await withBackend({ stream: (event) => (event.subject === 'x' ? 'errors:not' : 'errors') }, async (backend) => {
      const results = await backend.send([sampleEvent(), sampleEvent({ subject: 'x' }), sampleEvent()], never)
      assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'ok'])
      assert.match(textOf(results[1]), /WRONGTYPE.*'errors:not' is not a stream/)
    })
  })

  test('OOM: outage', () =>
    outage('OOM', [['CONFIG', 'SET', 'maxmemory', '1000']], [['CONFIG', 'SET', 'maxmemory', '0']]))

  test('OOM in the middle of a send: the events before it are delivered, each of the others is an outage', async () => {
    await withBackend({}, async (backend) => {
      await operator(['DEL', 'errors'])
      const [info] = await operator(['INFO', 'memory'])
      const used = Number(/used_memory:(\d+)/.exec(String(info))?.[1])
      // Room for some of the waves of this send, not for all.
      await operator(['CONFIG', 'SET', 'maxmemory', String(used + 24 * 1024 * 1024)])
      try {
        const events = sampleEvents(400, 0, { data: JSON.stringify('x'.repeat(100_000)) })
        const outcomes = (await backend.send(events, never)).map(kindOf)
        const delivered = outcomes.filter((kind) => kind === 'ok').length
        assert.ok(delivered > 0 && delivered < events.length, `${delivered} of ${events.length} delivered`)
        assert.deepEqual(new Set(outcomes), new Set(['ok', 'outage']))
        assert.deepEqual(await operator(['XLEN', 'errors']), [delivered])
      } finally {
        await operator(['CONFIG', 'SET', 'maxmemory', '0'], ['DEL', 'errors'])
      }
    })
  })

  test('READONLY: outage', async () => {
    const nobody = String(await freePort())
    await outage('READONLY', [['REPLICAOF', '127.0.0.1', nobody]], [['REPLICAOF', 'NO', 'ONE']])
  })

  test('MASTERDOWN: outage', async () => {
    const nobody = String(await freePort())
    await outage(
      'MASTERDOWN',
      [
        ['CONFIG', 'SET', 'replica-serve-stale-data', 'no'],
        ['REPLICAOF', '127.0.0.1', nobody],
      ],
      [
        ['REPLICAOF', 'NO', 'ONE'],
        ['CONFIG', 'SET', 'replica-serve-stale-data', 'yes'],
      ],
    )
  })

  test('NOREPLICAS: outage', () =>
    outage(
      'NOREPLICAS',
      [['CONFIG', 'SET', 'min-replicas-to-write', '1']],
      [['CONFIG', 'SET', 'min-replicas-to-write', '0']],
    ))

  test('NOAUTH: outage', () =>
    outage('NOAUTH', [['CONFIG', 'SET', 'requirepass', 'secret']], [['CONFIG', 'SET', 'requirepass', '']]))

  test('WRONGPASS: outage', () =>
    outage(
      'WRONGPASS',
      [['ACL', 'SETUSER', 'app', 'on', '>right', '~*', '+@all']],
      [['ACL', 'SETUSER', 'app', '>wrong']],
      {
        url: server.url.replace('//', '//app:wrong@'),
      },
    ))

  test('NOPERM for the stream: outage', () =>
    outage('NOPERM', [['ACL', 'SETUSER', 'default', 'resetkeys', '~other']], [['ACL', 'SETUSER', 'default', '~*']]))

  test('NOPERM for the stream of one event: a failure of that event alone, which stops its key', async () => {
    await operator(['ACL', 'SETUSER', 'default', 'resetkeys', '~errors'])
    try {
      await withBackend({ stream: (event) => (event.subject === 'x' ? 'forbidden' : 'errors') }, async (backend) => {
        const events = [
          sampleEvent(),
          sampleEvent({ subject: 'x', partitionKey: 'k' }),
          sampleEvent({ partitionKey: 'k' }),
          sampleEvent(),
        ]
        const results = await backend.send(events, never)
        assert.deepEqual(results.map(kindOf), ['ok', 'failure', 'not-attempted', 'ok'])
        assert.match(textOf(results[1]), /NOPERM.*may not write the stream 'forbidden'/)
      })
    } finally {
      await operator(['ACL', 'SETUSER', 'default', '~*'])
    }
  })

  for (const [how, login] of Object.entries({ 'with the script': {}, 'where scripts are forbidden': { user: true } })) {
    test(`an entry larger than proto-max-bulk-len is the failure of its event alone, ${how}`, async () => {
      await operator(
        ['CONFIG', 'SET', 'proto-max-bulk-len', String(1024 * 1024)],
        ['ACL', 'SETUSER', 'plain', 'on', '>p', '~*', '+@all', '-@scripting'],
      )
      const address = 'user' in login ? server.url.replace('//', '//plain:p@') : server.url
      try {
        await withBackend({ url: address }, async (backend) => {
          const large = sampleEvent({ data: JSON.stringify('x'.repeat(3 * 1024 * 1024)), partitionKey: 'k' })
          const events = [sampleEvent(), large, sampleEvent({ partitionKey: 'k' }), ...sampleEvents(3, 3)]
          const results = await backend.send(events, never)
          assert.deepEqual(results.map(kindOf), ['ok', 'failure', 'not-attempted', 'ok', 'ok', 'ok'])
        })
      } finally {
        await operator(['CONFIG', 'SET', 'proto-max-bulk-len', String(512 * 1024 * 1024)])
      }
    })
  }

  test('a function stream that returns no name is a permanent failure of that event alone', async () => {
    const stream = ({ subject }: OutgoingEvent) => (subject === undefined ? 'errors' : JSON.parse(subject))
    await withBackend({ stream }, async (backend) => {
      for (const subject of ['""', 'null', '7', '{}']) {
        const results = await backend.send([sampleEvent({ subject }), sampleEvent()], never)
        assert.deepEqual(results.map(kindOf), ['permanent', 'ok'], subject)
      }
    })
  })

  test('NOPERM for XADD, which a script sees as a mere ERR: outage', () =>
    outage('NOPERM', [['ACL', 'SETUSER', 'default', '-xadd']], [['ACL', 'SETUSER', 'default', '+xadd']]))

  test('BUSY: outage', async () => {
    await operator(['CONFIG', 'SET', 'busy-reply-threshold', '5'])
    const client = createClient({ url: server.url })
    client.on('error', () => undefined)
    await client.connect()
    await withBackend({}, async (backend) => {
      await backend.connect?.(never)
      const looping = client.sendCommand(['EVAL', 'while true do end', '0']).catch((error: Error) => error.message)
      await untilReply('BUSY')
      const results = await backend.send(sampleEvents(2), never)
      assert.deepEqual(results.map(kindOf), ['outage', 'outage'])
      assert.match(textOf(results[0]), /BUSY/)
      await operator(['SCRIPT', 'KILL'])
      await looping
      assert.deepEqual((await backend.send(sampleEvents(2), never)).map(kindOf), ['ok', 'ok'])
    })
    client.destroy()
  })

  /** Asks until the server answers with this code word. */
  async function untilReply(code: string): Promise<void> {
    for (;;) {
      const [reply] = await operator(['GET', 'x']).catch((error: Error) => [error.message])
      if (String(reply).startsWith(code)) return
      await delay(2)
    }
  }

  test('MISCONF: outage', async () => {
    const broken = await RedisProcess.start('--appendonly', 'no', '--save', '3600 1000000')
    const client = createClient({ url: broken.url })
    await client.connect()
    const backend = redisStreams({ url: broken.url })
    try {
      rmSync(broken.directory, { recursive: true })
      await client.sendCommand(['BGSAVE'])
      while (!String(await client.sendCommand(['INFO', 'persistence'])).includes('rdb_last_bgsave_status:err')) {
        await delay(2)
      }
      const results = await backend.send(sampleEvents(2), never)
      assert.deepEqual(results.map(kindOf), ['outage', 'outage'])
      assert.match(textOf(results[0]), /MISCONF/)
    } finally {
      await backend.close()
      client.destroy()
      await broken.remove()
    }
  })

  test('LOADING: outage', async () => {
    const loading = await RedisProcess.start('--appendonly', 'no')
    const client = createClient({ url: loading.url })
    await client.connect()
    await client.mSet(Array.from({ length: 2_000 }, (_, n): [string, string] => [`key:${n}`, 'x'.repeat(2000)]))
    await client.sendCommand(['SAVE'])
    await client.close()
    await loading.kill()
    // 2,000 keys, 20 ms each, and it looks at its sockets after each 1024 bytes.
    await loading.start(
      'Server initialized',
      '--key-load-delay',
      '20000',
      '--loading-process-events-interval-bytes',
      '1024',
    )
    const backend = redisStreams({ url: loading.url })
    try {
      const results = await backend.send(sampleEvents(2), never)
      assert.deepEqual(results.map(kindOf), ['outage', 'outage'])
      assert.match(textOf(results[0]), /LOADING/)
    } finally {
      await backend.close()
      await loading.remove()
    }
  })

  test('CLUSTERDOWN and MOVED: outage', async () => {
    const node = await RedisProcess.start('--cluster-enabled', 'yes')
    const client = createClient({ url: node.url })
    await client.connect()
    const backend = redisStreams({ url: node.url, stream: 'a' })
    try {
      const down = await backend.send(sampleEvents(1), never)
      assert.equal(kindOf(down[0]), 'outage')
      assert.match(textOf(down[0]), /CLUSTERDOWN/)
      // All slots but that of 'a' (15495) are ours, and that one is another node's.
      await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '15494', '15496', '16383'])
      await client.sendCommand(['CONFIG', 'SET', 'cluster-require-full-coverage', 'no'])
      const other = await RedisProcess.start('--cluster-enabled', 'yes')
      try {
        const second = createClient({ url: other.url })
        await second.connect()
        await second.sendCommand(['CLUSTER', 'ADDSLOTS', '15495'])
        await second.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', String(node.port)])
        while (!String(await client.sendCommand(['CLUSTER', 'NODES'])).includes('15495\n')) await delay(5)
        second.destroy()
        let moved = await backend.send(sampleEvents(1), never)
        while (/CLUSTERDOWN/.test(textOf(moved[0]))) {
          await delay(5)
          moved = await backend.send(sampleEvents(1), never)
        }
        assert.equal(kindOf(moved[0]), 'outage')
        assert.match(textOf(moved[0]), /MOVED.*use the option cluster/)
      } finally {
        await other.remove()
      }
    } finally {
      await backend.close()
      client.destroy()
      await node.remove()
    }
  })

  test('codes that cannot be provoked here are outages by their code word', () => {
    for (const reply of [
      'TRYAGAIN Multiple keys request during rehashing',
      'ASK 1 127.0.0.1:1',
      'DENIED Redis is running',
    ]) {
      assert.equal(classifySendError(errorOfReply(reply, 's', false)).kind, 'outage')
    }
  })

  test('any other error is a failure of its event, and stops its key', async () => {
    await withBackend({}, async (backend) => {
      // The greatest id there is: no entry can follow.
      await operator(['DEL', 'errors'], ['XADD', 'errors', '18446744073709551615-18446744073709551615', 'a', 'b'])
      const results = await backend.send(sampleEvents(3, 1), never)
      assert.deepEqual(results.map(kindOf), ['failure', 'not-attempted', 'not-attempted'])
      await operator(['DEL', 'errors'])
      assert.deepEqual((await backend.send(sampleEvents(3, 1), never)).map(kindOf), ['ok', 'ok', 'ok'])
    })
  })
})
