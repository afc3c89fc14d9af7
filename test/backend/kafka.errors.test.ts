import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import { type KafkaOptions, kafka } from '../../src/kafka/kafka.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { skipWithoutJars } from '../support/jars.ts'
import { KafkaProcess } from './kafka-process.ts'
import { createTopic, readEvents, readTopic, servesProducers, topicName, withAdmin } from './kafka-topic.ts'
import { freePort } from './redis-process.ts'
import { StoppableProxy } from './stoppable-proxy.ts'

const skip = skipWithoutJars('kafka')
const never = new AbortController().signal

const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
const textOf = (result: SendResult | undefined) => (result?.ok === false ? String(result.error) : '')

async function using(backend: Backend, work: (backend: Backend) => Promise<void>): Promise<void> {
  try {
    await work(backend)
  } finally {
    await backend.close()
  }
}

/** Each line of the error table in docs/backends/kafka.md, provoked on a real broker. */
describe('kafka: errors', { skip }, () => {
  let server: KafkaProcess
  /** The way to the broker of those who learn its address from the broker: all pass it. */
  let proxy: StoppableProxy
  before(async () => {
    const settings = {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'allow.everyone.if.no.acl.found': 'true',
    }
    server = await KafkaProcess.start(settings, async (port) => {
      proxy = await StoppableProxy.to(port)
      return proxy.port
    })
    await servesProducers(server.address)
  })
  after(async () => {
    await server?.remove()
    await proxy?.stop()
  })

  const backendOn = (options: KafkaOptions): Backend =>
    kafka({ bootstrapServers: `127.0.0.1:${proxy.port}`, connectTimeout: 3_000, timeout: 3_000, ...options })

  async function withTopic(
    config: Readonly<Record<string, string>>,
    options: KafkaOptions,
    work: (backend: Backend, topic: string) => Promise<void>,
  ): Promise<void> {
    const topic = topicName()
    await createTopic(server.address, topic, 4, config)
    await using(backendOn({ topic, ...options }), (backend) => work(backend, topic))
  }

  test('a batch that is too large is halved, and only a record that is too large by itself is permanent', () =>
    withTopic({ 'max.message.bytes': '20000' }, {}, async (backend, topic) => {
      const large = sampleEvent({ partitionKey: 'a', data: JSON.stringify('x'.repeat(30_000)) })
      const small = sampleEvents(200, 7, { data: JSON.stringify('y'.repeat(400)) })
      const events = [...small.slice(0, 100), large, sampleEvent({ partitionKey: 'a' }), ...small.slice(100)]
      const results = await backend.send(events, never)
      assert.equal(kindOf(results[100]), 'permanent')
      assert.match(textOf(results[100]), /MESSAGE_TOO_LARGE/)
      assert.equal(kindOf(results[101]), 'not-attempted', 'what stands behind it in its key')
      assert.deepEqual(new Set([...results.slice(0, 100), ...results.slice(102)].map(kindOf)), new Set(['ok']))
      const arrived = await readEvents(server.address, topic)
      assert.equal(arrived.length, 200)
      for (const key of new Set(small.map(({ partitionKey }) => partitionKey))) {
        assert.deepEqual(
          arrived
            .filter(({ attributes }) => attributes['partitionkey'] === key)
            .map(({ attributes }) => attributes['id']),
          small.filter(({ partitionKey }) => partitionKey === key).map(({ id }) => id),
        )
      }
    }))

  test('no key in a compacted topic is permanent, for that event alone', () =>
    withTopic({ 'cleanup.policy': 'compact' }, {}, async (backend, topic) => {
      const events = [...sampleEvents(3, 1), sampleEvent(), ...sampleEvents(3, 1)]
      const results = await backend.send(events, never)
      assert.deepEqual(results.map(kindOf), ['ok', 'ok', 'ok', 'permanent', 'ok', 'ok', 'ok'])
      assert.match(textOf(results[3]), /INVALID_RECORD/)
      assert.equal((await readTopic(server.address, topic)).length, 6)
    }))

  test('no topic is permanent, and so is a function that throws', () =>
    withTopic({}, { topic: ({ type }) => (type === 'throws' ? assert.fail('no') : 'no topic') }, async (backend) => {
      const results = await backend.send([sampleEvent(), sampleEvent({ eventType: 'throws' })], never)
      assert.deepEqual(results.map(kindOf), ['permanent', 'permanent'])
      assert.match(textOf(results[0]), /not a topic: at most 249/)
      assert.match(textOf(results[1]), /the function topic threw/)
    }))

  test('a topic that is missing is an outage when it is the only one, otherwise a failure of its events', async () => {
    await using(backendOn({ topic: topicName() }), async (backend) => {
      const [result] = await backend.send([sampleEvent()], never)
      assert.equal(kindOf(result), 'outage')
      assert.match(textOf(result), /UNKNOWN_TOPIC_OR_PARTITION/)
      const { healthy, detail } = await backend.healthCheck(never)
      assert.equal(healthy, false)
      assert.match(detail ?? '', /no such topic/)
    })
    const there = topicName()
    await createTopic(server.address, `${there}-order.created`)
    await using(backendOn({ topic: `${there}-{type}` }), async (backend) => {
      const events = [sampleEvent({ eventType: 'order missing' }), sampleEvent()]
      assert.deepEqual((await backend.send(events, never)).map(kindOf), ['failure', 'ok'])
    })
  })

  test('no permission for a topic: likewise', async () => {
    const [secret, open] = [topicName(), topicName()]
    for (const topic of [secret, open]) await createTopic(server.address, topic)
    const rule = {
      resourceType: 2,
      resourceName: secret,
      resourcePatternType: 3,
      principal: 'User:somebody-else',
      host: '*',
      operation: 2,
      permissionType: 3,
    } as const
    await withAdmin(server.address, async (admin) => {
      await admin.createAcls({ creations: [rule] })
      // The answer comes when the rule is written down, which is before it is obeyed.
      while ((await admin.describeAcls({ filter: rule })).length === 0) await setTimeout(20)
    })
    await using(backendOn({ topic: secret }), async (backend) => {
      const [result] = await backend.send([sampleEvent()], never)
      assert.equal(kindOf(result), 'outage')
      assert.match(textOf(result), /TOPIC_AUTHORIZATION_FAILED/)
    })
    await using(backendOn({ topic: ({ subject }) => (subject === 'secret' ? secret : open) }), async (backend) => {
      const results = await backend.send([sampleEvent({ subject: 'secret' }), sampleEvent()], never)
      assert.deepEqual(results.map(kindOf), ['failure', 'ok'])
    })
  })

  test('a topic that may be looked at and not written to: likewise', async () => {
    const [secret, open] = [topicName(), topicName()]
    for (const topic of [secret, open]) await createTopic(server.address, topic)
    const rule = {
      resourceType: 2,
      resourceName: secret,
      resourcePatternType: 3,
      principal: 'User:*',
      host: '*',
      operation: 8,
      permissionType: 3,
    } as const
    await withAdmin(server.address, async (admin) => {
      await admin.createAcls({ creations: [rule] })
      while ((await admin.describeAcls({ filter: rule })).length === 0) await setTimeout(20)
    })
    await using(backendOn({ topic: secret }), async (backend) => {
      const results = await backend.send(sampleEvents(3, 1), never)
      assert.deepEqual(results.map(kindOf), ['outage', 'outage', 'outage'])
      assert.match(textOf(results[0]), /TOPIC_AUTHORIZATION_FAILED \(this user may not write/)
    })
    await using(backendOn({ topic: ({ subject }) => (subject === 'secret' ? secret : open) }), async (backend) => {
      const results = await backend.send([sampleEvent({ subject: 'secret' }), sampleEvent()], never)
      assert.deepEqual(results.map(kindOf), ['failure', 'ok'])
      assert.match(textOf(results[0]), /this user may not write/)
    })
  })

  test('no connection is an outage, and a reason not to start', async () => {
    const bootstrapServers = `127.0.0.1:${await freePort()}`
    await using(backendOn({ bootstrapServers }), async (backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
      await assert.rejects(async () => backend.connect?.(never), { code: 'SEND_OUTAGE' })
      assert.equal((await backend.healthCheck(never)).healthy, false)
    })
  })

  test('no answer is an outage in bounded time, and the next send has a connection of its own', () =>
    withTopic({}, {}, async (backend, topic) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      proxy.silence('both')
      const started = performance.now()
      const [result] = await backend.send([sampleEvent()], never)
      assert.equal(kindOf(result), 'outage')
      assert.ok(performance.now() - started < 20_000)
      proxy.silence(false)
      proxy.cut()
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      assert.ok((await readTopic(server.address, topic)).length >= 2)
    }))

  for (const idempotent of [true, false]) {
    test(`a connection that is cut before anything was written, idempotent: ${idempotent}: the client asks again`, () =>
      withTopic({}, { idempotent }, async (backend) => {
        proxy.cutInsteadOfAnswer(1)
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      }))

    test(`a connection that is cut in the middle, idempotent: ${idempotent}: nothing lost, keys in order`, () =>
      withTopic({}, { idempotent, maxBatchBytes: 4_000 }, async (backend, topic) => {
        let left = sampleEvents(2_000, 20)
        for (let n = 0; left.length > 0; n++) {
          assert.ok(n < 50, 'no end')
          // Not at the last, or it would never end.
          if (n < 4) proxy.cutInsteadOfAnswer(3 + n)
          const results = await backend.send(left, never)
          left = left.filter((_, at) => !results[at]?.ok)
        }
        const arrived = await readEvents(server.address, topic)
        const seen = new Map<string, number[]>()
        for (const { attributes, dataJson } of arrived) {
          const key = String(attributes['partitionkey'])
          const { n } = JSON.parse(dataJson ?? '{}') as { readonly n: number }
          const before = seen.get(key) ?? []
          if (!before.includes(n)) seen.set(key, [...before, n])
        }
        assert.equal([...seen.values()].flat().length, 2_000)
        for (const [key, list] of seen)
          assert.deepEqual(
            list,
            list.toSorted((a, b) => a - b),
            key,
          )
      }))
  }

  test('sends at the same time to one partition all arrive', () =>
    withTopic({}, {}, async (backend, topic) => {
      const sends = Array.from({ length: 20 }, (_, n) =>
        backend.send(sampleEvents(10, 1, { source: `/${n}`, partitionKey: 'one' }), never),
      )
      for (const results of await Promise.all(sends)) assert.deepEqual(new Set(results.map(kindOf)), new Set(['ok']))
      assert.equal((await readTopic(server.address, topic)).length, 200)
    }))

  test('a key has the partition that Java gives it', () =>
    withTopic({}, {}, async (backend, topic) => {
      // Computed with Java's Utils.toPositive(Utils.murmur2(key)) % 4.
      const events = ['a', 'b', 'order-17', 'größe'].map((partitionKey) => sampleEvent({ partitionKey }))
      await backend.send(events, never)
      const found = new Map(
        (await readTopic(server.address, topic)).map(({ key, partition }) => [String(key), partition]),
      )
      const expected = { a: 0, b: 0, 'order-17': 1, größe: 0 }
      assert.deepEqual(Object.fromEntries(found), expected)
    }))
})

describe('kafka: login', { skip }, () => {
  let server: KafkaProcess
  before(async () => {
    server = await KafkaProcess.start({
      listeners: 'SASL_PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}',
      'advertised.listeners': 'SASL_PLAINTEXT://127.0.0.1:{port}',
      'inter.broker.listener.name': 'SASL_PLAINTEXT',
      'listener.security.protocol.map': 'SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'auto.create.topics.enable': 'true',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="app" password="right" user_app="right";',
    })
  })
  after(() => server?.remove())

  const backendFor = (sasl?: KafkaOptions['sasl']): Backend =>
    kafka({
      bootstrapServers: server.address,
      create: true,
      connectTimeout: 1_000,
      timeout: 3_000,
      ...(sasl === undefined ? {} : { sasl }),
    })

  test('the right password is let in, and a topic made when it is missing', () =>
    using(backendFor({ mechanism: 'PLAIN', username: 'app', password: 'right' }), async (backend) => {
      let kind: unknown
      for (let n = 0; n < 20 && kind !== 'ok'; n++) kind = kindOf((await backend.send([sampleEvent()], never))[0])
      assert.equal(kind, 'ok')
    }))

  test('a wrong password, or none, is an outage', async () => {
    await using(backendFor({ mechanism: 'PLAIN', username: 'app', password: 'wrong' }), async (backend) => {
      const [result] = await backend.send([sampleEvent()], never)
      assert.equal(kindOf(result), 'outage')
    })
    await using(backendFor(), async (backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
    })
  })
})
