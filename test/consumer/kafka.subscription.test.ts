import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import {
  AclOperations,
  AclPermissionTypes,
  ConfigResourceTypes,
  Producer,
  ResourcePatternTypes,
  ResourceTypes,
} from '@platformatic/kafka'
import type { Subscription } from '../../src/consumer/subscription.ts'
import type { BroadcasterError } from '../../src/errors.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { type KafkaSubscriptionOptions, kafkaSubscription } from '../../src/kafka/kafka-subscription.ts'
import {
  acknowledgeAll,
  idsOf,
  opened,
  PATIENCE,
  publishedIds,
  take,
  takeFor,
  wireEvents,
} from '../../src/testing/subscription/steps.ts'
import { KafkaProcess } from '../backend/kafka-process.ts'
import {
  createTopic,
  deleteTopics,
  readTopic,
  servesGroups,
  servesProducers,
  topicName,
  withAdmin,
} from '../backend/kafka-topic.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { skipWithoutJars } from '../support/jars.ts'
import { publishTo } from './publish-to.ts'

interface Place {
  readonly topic: string
  subscribe(options?: KafkaSubscriptionOptions): Subscription
  publish(events: ReturnType<typeof wireEvents>): Promise<void>
}

describe('kafkaSubscription', { skip: skipWithoutJars('kafka') }, () => {
  let server: KafkaProcess
  /** All that read pass it. */
  let proxy: StoppableProxy
  before(async () => {
    const settings = {
      'group.min.session.timeout.ms': '500',
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'allow.everyone.if.no.acl.found': 'true',
    }
    server = await KafkaProcess.start(settings, async (port) => {
      proxy = await StoppableProxy.to(port)
      return proxy.port
    })
    await servesProducers(server.address)
    await servesGroups(server.address)
  })
  after(async () => {
    await server?.remove()
    await proxy?.stop()
  })

  async function place(work: (place: Place) => Promise<void>, config: Readonly<Record<string, string>> = {}) {
    const topic = topicName()
    await createTopic(server.address, topic, 4, config)
    const made: Subscription[] = []
    const bootstrapServers = `127.0.0.1:${proxy.port}`
    const backend = kafka({ bootstrapServers, topic })
    try {
      await work({
        topic,
        subscribe(options = {}) {
          const subscription = kafkaSubscription({
            bootstrapServers,
            topics: topic,
            group: topic,
            sessionTimeout: 1_500,
            heartbeatInterval: 200,
            connectTimeout: 1_000,
            timeout: 2_000,
            ...options,
          })
          made.push(subscription)
          return subscription
        },
        publish: (events) => publishTo(backend, events),
      })
    } finally {
      for (const subscription of made) await subscription.close()
      await backend.close()
    }
  }

  test('partitions that are added to a topic are found, without a change of the group', () =>
    place(async ({ topic, subscribe }) => {
      const subscription = await opened(subscribe())
      await takeFor(subscription, 500)
      await withAdmin(server.address, (admin) => admin.createPartitions({ topics: [{ name: topic, count: 12 }] }))
      // One that knows of them.
      const backend = kafka({ bootstrapServers: `127.0.0.1:${proxy.port}`, topic })
      const events = wireEvents(200, 100)
      await publishTo(backend, events)
      await backend.close()
      const ids = new Set<unknown>()
      while (ids.size < events.length) {
        const deliveries = await take(subscription, 1)
        for (const id of idsOf(deliveries)) ids.add(id)
        await acknowledgeAll(deliveries)
      }
    }))

  test('partitions are shared out anew when a process comes and goes; nothing is lost, keys stay in order', () =>
    place(async ({ subscribe, publish }) => {
      const first = await opened(subscribe())
      const events = wireEvents(200, 40)
      await publish(events)
      const held = await take(first, 100)
      await acknowledgeAll(held.slice(0, 30))
      const seen = new Map<unknown, unknown[]>()
      for (const { key, event } of held) seen.set(key, [...(seen.get(key) ?? []), event?.attributes['id']])
      const stop = new AbortController()
      const done = new Set(idsOf(held.slice(0, 30)))
      const work = async (subscription: Subscription): Promise<void> => {
        while (!stop.signal.aborted) {
          const deliveries = await subscription
            .receive(20, AbortSignal.any([stop.signal, AbortSignal.timeout(500)]))
            .catch(() => [])
          for (const { key, event } of deliveries) seen.set(key, [...(seen.get(key) ?? []), event?.attributes['id']])
          for (const id of idsOf(deliveries)) done.add(id)
          // Some are lost while the partitions are shared out: they come again.
          await Promise.allSettled(deliveries.map((delivery) => delivery.acknowledge()))
          if (done.size === events.length) stop.abort()
        }
      }
      const second = subscribe()
      const both = Promise.all([work(first), opened(second).then(work)])
      const timer = setTimeout(() => stop.abort(), 30_000)
      await both
      clearTimeout(timer)
      assert.equal(done.size, events.length)
      assert.ok(
        held.slice(30).every(({ lost }) => lost?.aborted),
        'what was held when the second came is told to be lost',
      )
      for (const [key, ids] of seen) {
        const published = publishedIds(events.filter(({ attributes }) => attributes['partitionkey'] === key))
        const firsts = [...new Set(ids)].map((id) => published.indexOf(id))
        assert.deepEqual(
          firsts,
          firsts.toSorted((a, b) => a - b),
          String(key),
        )
      }
    }))

  test('what a process that is cut off held comes to the next one', () =>
    place(async ({ subscribe, publish }) => {
      const gone = await opened(subscribe())
      const events = wireEvents(20, 1)
      await publish(events)
      const held = await take(gone, 10)
      await acknowledgeAll(held.slice(0, 4))
      proxy.silence('both')
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      proxy.silence(false)
      proxy.cut()
      const next = await opened(subscribe())
      const rest = await take(next, 16)
      assert.deepEqual(idsOf(rest), publishedIds(events).slice(4))
      await acknowledgeAll(rest)
    }))

  test('an acknowledgement does not wait for a fetch that finds nothing', () =>
    place(async ({ subscribe, publish }) => {
      const subscription = await opened(subscribe())
      await publish(wireEvents(20))
      const deliveries = await take(subscription, 20)
      const stop = new AbortController()
      let empty = 0
      const receiving = (async () => {
        while (!stop.signal.aborted) if ((await subscription.receive(10, stop.signal)).length === 0) empty++
      })()
      const started = performance.now()
      // One after the other: 10 s, when each waits for the half second that Kafka holds a fetch open.
      for (const delivery of deliveries) await delivery.acknowledge()
      const took = performance.now() - started
      stop.abort()
      await receiving
      assert.ok(took < 5_000, `20 acknowledgements took ${took} ms, beside ${empty} fetches`)
    }))

  test('begins with what comes, if told so', () =>
    place(async ({ subscribe, publish }) => {
      await publish(wireEvents(5, 3))
      const subscription = await opened(subscribe({ start: 'new' }))
      await takeFor(subscription, 700)
      const later = wireEvents(5, 3)
      await publish(later)
      assert.deepEqual(idsOf(await take(subscription, 5)).toSorted(), publishedIds(later).toSorted())
    }))

  test('what came after a first start with `new` is not lost when nothing was committed before the next start', () =>
    place(async ({ subscribe, publish }) => {
      await publish(wireEvents(5, 3))
      const first = await opened(subscribe({ start: 'new' }))
      assert.deepEqual(await takeFor(first, 700), [])
      await first.close()
      const later = wireEvents(5, 3)
      await publish(later)
      const next = await opened(subscribe({ start: 'new' }))
      assert.deepEqual(idsOf(await take(next, 5)).toSorted(), publishedIds(later).toSorted())
    }))

  test('goes on with the oldest record there is when those it had not read were deleted, and tells how many', () =>
    place(
      async ({ topic, subscribe, publish }) => {
        const first = await opened(subscribe())
        await publish(wireEvents(10, 1))
        await acknowledgeAll(await take(first, 2))
        await first.close()
        await withAdmin(server.address, (admin) =>
          admin.deleteRecords({
            topics: [{ name: topic, partitions: [0, 1, 2, 3].map((partition) => ({ partition, offset: -1n })) }],
          }),
        )
        const later = wireEvents(3, 1)
        await publish(later)
        const gaps: BroadcasterError[] = []
        const next = subscribe()
        await next.open({ consumer: 'billing', onGap: (error) => gaps.push(error) }, AbortSignal.timeout(PATIENCE))
        assert.deepEqual(idsOf(await take(next, 3)), publishedIds(later))
        // One key, one partition: the eight that were not read, told once.
        assert.deepEqual(
          gaps.map(({ code, value }) => [code, value]),
          [['MESSAGES_MISSED', 8]],
        )
      },
      { 'cleanup.policy': 'delete' },
    ))

  test('goes on with the oldest record there is when the log ends before the committed offset', () =>
    place(async ({ topic, subscribe, publish }) => {
      const events = wireEvents(3, 1)
      await publish(events)
      await withAdmin(server.address, (admin) =>
        admin.alterConsumerGroupOffsets({
          groupId: topic,
          topics: [{ name: topic, partitionOffsets: [0, 1, 2, 3].map((partition) => ({ partition, offset: 1_000n })) }],
        }),
      )
      assert.deepEqual(idsOf(await take(await opened(subscribe()), 3)), publishedIds(events))
    }))

  /** Until the broker, which hears of changes a little later than its controller, has heard of one that forbids it. */
  async function untilRefused(work: () => Promise<unknown>): Promise<void> {
    for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
      try {
        await work()
      } catch {
        return
      }
    }
    assert.fail('it is not refused')
  }

  /** Sends records that no backend of ours would. */
  async function produce(
    topic: string,
    value: Buffer,
    compression: 'none' | 'gzip' = 'none',
    headers: Readonly<Record<string, Buffer>> = {},
  ): Promise<void> {
    const producer = new Producer({ clientId: 'test', bootstrapBrokers: [server.address], strict: true })
    try {
      const named = new Map(Object.entries(headers).map(([name, content]) => [Buffer.from(name), content]))
      await producer.send({ messages: [{ topic, value, headers: named }], acks: -1, compression })
    } finally {
      await producer.close()
    }
  }

  /** As long as the text of an error can be. */
  const reason = { consumer: 'billing', error: new Error('\u2603'.repeat(2_000)), attempts: 1 }

  test('a dead-letter topic that is made takes the largest record that its topic takes', () =>
    place(
      async ({ topic, subscribe }) => {
        const subscription = await opened(subscribe())
        const value = randomBytes(2_999_900)
        await produce(topic, value)
        const [delivery] = await take(subscription, 1)
        await delivery?.deadLetter(reason)
        const [dead] = await readTopic(server.address, `${topic}.dead`)
        assert.ok(dead?.value.equals(value))
      },
      { 'max.message.bytes': '3000000' },
    ))

  test('a record that its topic took because it was compressed can be given up', () =>
    place(async ({ topic, subscribe }) => {
      const subscription = await opened(subscribe())
      const value = Buffer.alloc(3_000_000, 'all the same ')
      await produce(topic, value, 'gzip')
      const [delivery] = await take(subscription, 1)
      await delivery?.deadLetter(reason)
      const [dead] = await readTopic(server.address, `${topic}.dead`)
      assert.ok(dead?.value.equals(value))
    }))

  test('a record for which the dead-letter topic has no room goes in a shorter form, and the next goes on', () =>
    place(async ({ topic, subscribe, publish }) => {
      const dead = topicName()
      await createTopic(server.address, dead, 1, { 'max.message.bytes': '20000' })
      const subscription = await opened(subscribe({ deadLetter: { topic: dead } }))
      // Random, so that gzip makes none of it smaller: headers that are too much, and a value that is.
      await produce(topic, Buffer.from('short'), 'none', { large: randomBytes(30_000) })
      await produce(topic, randomBytes(30_000))
      for (const delivery of await take(subscription, 2)) await delivery.deadLetter(reason)
      const letters = (await readTopic(server.address, dead)).toSorted((a, b) => Number(a.offset - b.offset))
      assert.deepEqual(
        letters.map(({ value, headers }) => [value?.toString() ?? '', headers.get('broadcaster-left-out')]).toSorted(),
        [
          ['', 'the headers, the key and the value'],
          ['short', 'the headers'],
        ],
      )
      assert.ok(letters.every(({ headers }) => headers.get('broadcaster-topic') === topic))
      const events = wireEvents(1, 1)
      await publish(events)
      assert.deepEqual(idsOf(await take(subscription, 1)), publishedIds(events))
    }))

  test('a dead-letter topic is made although the settings of its topic may not be read', () =>
    place(async ({ topic, subscribe, publish }) => {
      const rule = {
        resourceType: ResourceTypes.TOPIC,
        resourceName: topic,
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal: 'User:ANONYMOUS',
        host: '*',
      }
      await withAdmin(server.address, async (admin) => {
        const may = { ...rule, operation: AclOperations.ALL, permissionType: AclPermissionTypes.ALLOW }
        const mayNot = { ...rule, operation: AclOperations.DESCRIBE_CONFIGS, permissionType: AclPermissionTypes.DENY }
        await admin.createAcls({ creations: [may, mayNot] })
        const resources = [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }]
        await untilRefused(() => admin.describeConfigs({ resources }))
      })
      const subscription = await opened(subscribe())
      await publish(wireEvents(1, 1))
      const [delivery] = await take(subscription, 1)
      await delivery?.deadLetter(reason)
      assert.equal((await readTopic(server.address, `${topic}.dead`)).length, 1)
    }))

  test('a record whose commit failed after its dead letter was written is not written there again', () =>
    place(async ({ topic, subscribe, publish }) => {
      const subscription = await opened(subscribe())
      await publish(wireEvents(1, 1))
      const [delivery] = await take(subscription, 1)
      assert.ok(delivery)
      // Kafka takes no offset of a topic that is gone.
      await deleteTopics(server.address, [topic])
      await withAdmin(server.address, (admin) =>
        untilRefused(() => admin.metadata({ topics: [topic], forceUpdate: true })),
      )
      await assert.rejects(delivery.deadLetter(reason), { code: 'SEND_OUTAGE' })
      await assert.rejects(delivery.deadLetter(reason), { code: 'SEND_OUTAGE' })
      await createTopic(server.address, topic)
      await delivery.deadLetter(reason)
      assert.equal((await readTopic(server.address, `${topic}.dead`)).length, 1)
    }))

  test('a topic that is missing, or a dead-letter topic that is not to be made, is an outage that says so', () =>
    place(async ({ subscribe }) => {
      await assert.rejects(opened(subscribe({ topics: topicName() })), { code: 'SEND_OUTAGE' })
      await assert.rejects(opened(subscribe({ deadLetter: { create: false } })), { code: 'SEND_OUTAGE' })
    }))
})

test('kafkaSubscription refuses wrong options, all at once, before anything is opened', () => {
  const refused = (options: object): string => {
    try {
      kafkaSubscription(options as KafkaSubscriptionOptions)
    } catch (error) {
      return String(error)
    }
    return assert.fail('accepted')
  }
  const said = refused({
    topic: 'x',
    topics: ['a b'],
    heartbeatInterval: 99_999,
    deadLetter: { stream: 'x', topic: 'a b' },
  })
  for (const part of [
    /did you mean "topics"/,
    /topics is \["a b"\]; give a topic/,
    /heartbeatInterval must be shorter/,
    /deadLetter.stream is not an option/,
    /deadLetter.topic is "a b"; give a topic/,
  ]) {
    assert.match(said, part)
  }
})
