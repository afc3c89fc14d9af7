import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { Consumer, type MultipleErrors, murmur2, Producer } from '@platformatic/kafka'
import type { OutageError } from '../../src/backend/send-error.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { Delivery, Subscription } from '../../src/consumer/subscription.ts'
import type { BroadcasterError } from '../../src/errors.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { type KafkaSubscriptionOptions, kafkaSubscription } from '../../src/kafka/kafka-subscription.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { sampleEvents } from '../../src/testing/sample-events.ts'
import { opened } from '../../src/testing/subscription/steps.ts'
import { KafkaProcess } from '../backend/kafka-process.ts'
import { readTopic, servesGroups, servesProducers, topicName, withAdmin } from '../backend/kafka-topic.ts'
import { until } from '../faults/clusters/cluster.ts'
import { skipWithoutJars } from '../support/jars.ts'

/** How long what must come may take, in milliseconds. */
const PATIENCE = 45_000
/** In each partition: several fetches, so that what comes later was not fetched before. */
const RECORDS = 12
const RECORD = Buffer.alloc(300_000, '.')

/** Three nodes; a topic has one partition on each, of one replica. */
describe('one broker of three is in trouble', { skip: skipWithoutJars('kafka') }, () => {
  let nodes: readonly KafkaProcess[] = []
  before(async () => {
    nodes = await KafkaProcess.cluster(3)
    await servesProducers(address(0))
    await servesGroups(address(0))
  })
  /** The partition whose broker was killed and is not back. */
  let killed: number | undefined
  afterEach(revive)
  after(() => Promise.all(nodes.map((node) => node.remove())))

  async function kill(topic: string, victim: number): Promise<void> {
    killed = victim
    await nodes[victim]?.kill()
    await untilLeaderless(topic, victim)
  }

  async function revive(): Promise<void> {
    if (killed !== undefined) await nodes[killed]?.start()
    killed = undefined
  }

  function address(n: number): string {
    return nodes[n]?.address ?? ''
  }

  async function filledTopic(): Promise<string> {
    const topic = topicName()
    const assignments = [0, 1, 2].map((partition) => ({ partition, brokers: [partition + 1] }))
    await withAdmin(address(0), (admin) => admin.createTopics({ topics: [topic], assignments }))
    const producer = new Producer({ clientId: 'test', bootstrapBrokers: [address(0)], retries: 600, retryDelay: 50 })
    for (let n = 0; n < RECORDS; n++) {
      const messages = [0, 1, 2].map((partition) => ({ topic, partition, value: RECORD }))
      await producer.send({ messages, acks: -1 })
    }
    await producer.close()
    return topic
  }

  /** A partition whose broker is not the coordinator of the group. */
  async function victimOf(group: string): Promise<number> {
    const asking = new Consumer({ clientId: 'test', groupId: group, bootstrapBrokers: [address(0)] })
    const coordinator = await asking.findGroupCoordinator()
    await asking.close(true)
    return [1, 2, 3].findIndex((node) => node !== coordinator)
  }

  function subscribe(topic: string, options: KafkaSubscriptionOptions = {}): Subscription {
    const bootstrapServers = nodes.map((node) => node.address)
    return kafkaSubscription({
      ...{ bootstrapServers, topics: topic, sessionTimeout: 3_000, heartbeatInterval: 300 },
      ...{ connectTimeout: 2_000, timeout: 5_000, deadLetter: { topic: 'dead', create: true } },
      ...options,
    })
  }

  /** Receives, and passes over outages, until `enough` or no time is left. */
  async function collect(
    subscription: Subscription,
    into: Map<string, Delivery>,
    enough: () => boolean,
    errors: unknown[] = [],
  ): Promise<void> {
    for (const end = Date.now() + PATIENCE; !enough() && Date.now() < end; ) {
      try {
        const received = await subscription.receive(3, AbortSignal.timeout(500))
        for (const delivery of received) into.set(delivery.position, delivery)
        await Promise.all(received.map((delivery) => delivery.acknowledge()))
      } catch (error) {
        errors.push(error)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  function countOf(deliveries: ReadonlyMap<string, Delivery>, partition: number): number {
    return [...deliveries.keys()].filter((position) => position.split(' ')[1] === String(partition)).length
  }

  /** Until all living brokers say that nobody leads the partition. */
  async function untilLeaderless(topic: string, victim: number): Promise<void> {
    for (const n of [0, 1, 2].filter((each) => each !== victim)) {
      await until('a partition without a leader', () =>
        withAdmin(address(n), (admin) => admin.metadata({ topics: [topic], forceUpdate: true })).then(
          () => undefined,
          (error: MultipleErrors) => (error.findBy('apiId', 'LEADER_NOT_AVAILABLE') ? true : undefined),
        ),
      )
    }
  }

  test('a partition without a leader waits; the others go on, nobody leaves the group, and it comes when it is back', async () => {
    const topic = await filledTopic()
    const victim = await victimOf(topic)
    const members = [subscribe(topic, { group: topic }), subscribe(topic, { group: topic })]
    const deliveries = new Map<string, Delivery>()
    try {
      for (const member of members) await opened(member)
      const living = [0, 1, 2].filter((partition) => partition !== victim)
      // Something from everywhere, when the group has settled.
      const some = () => [0, 1, 2].every((partition) => countOf(deliveries, partition) > 0)
      await Promise.all(members.map((member) => collect(member, deliveries, some)))
      assert.ok(some())
      const held = await Promise.all(members.map((member) => until('one to hold', () => holdOne(member))))
      await kill(topic, victim)
      const all = () => living.every((partition) => countOf(deliveries, partition) >= RECORDS - members.length)
      await Promise.all(members.map((member) => collect(member, deliveries, all)))
      assert.ok(all(), `of the living partitions ${living.map((each) => countOf(deliveries, each))} came`)
      assert.ok(
        held.every(({ lost }) => !lost?.aborted),
        'what was held was taken back: the group was shared out anew',
      )
      await revive()
      const whole = () => countOf(deliveries, victim) >= RECORDS - members.length
      await Promise.all(members.map((member) => collect(member, deliveries, whole)))
      assert.ok(whole(), `${countOf(deliveries, victim)} of the partition came`)
    } finally {
      for (const member of members) await member.close()
    }
  })

  async function holdOne(member: Subscription): Promise<Delivery | undefined> {
    return (await member.receive(1, AbortSignal.timeout(500)))[0]
  }

  test('a consumer that comes while a partition has no leader begins with the others', async () => {
    const topic = await filledTopic()
    const victim = await victimOf(topic)
    await kill(topic, victim)
    const subscription = subscribe(topic, { group: topic })
    const deliveries = new Map<string, Delivery>()
    const troubles: BroadcasterError[] = []
    try {
      const context = { consumer: 'billing', onTrouble: (error: BroadcasterError) => troubles.push(error) }
      await subscription.open(context, AbortSignal.timeout(PATIENCE))
      const errors: unknown[] = []
      const others = () => [0, 1, 2].every((each) => each === victim || countOf(deliveries, each) === RECORDS)
      await collect(subscription, deliveries, others, errors)
      assert.ok(others())
      assert.deepEqual(errors, [])
      assert.deepEqual(
        troubles.map(({ message }) => message),
        [`the partition ${victim} of ${topic} has no leader: its records wait, those of others do not`],
      )
      await revive()
      await collect(subscription, deliveries, () => countOf(deliveries, victim) === RECORDS)
      assert.equal(countOf(deliveries, victim), RECORDS)
    } finally {
      await subscription.close()
    }
  })

  test('a broker that does not answer delays its own partitions, not those of the others', async () => {
    const topic = await filledTopic()
    const victim = await victimOf(topic)
    // Longer than the test: whoever waits for the frozen broker does not come back.
    const subscription = subscribe(topic, { group: topic, timeout: 120_000, connectTimeout: 120_000 })
    const deliveries = new Map<string, Delivery>()
    try {
      await opened(subscription)
      await collect(subscription, deliveries, () => [0, 1, 2].every((each) => countOf(deliveries, each) > 0))
      nodes[victim]?.freeze()
      const others = () => [0, 1, 2].every((each) => each === victim || countOf(deliveries, each) === RECORDS)
      await collect(subscription, deliveries, others)
      assert.ok(
        others(),
        `${[0, 1, 2].map((each) => countOf(deliveries, each))} came, the broker of ${victim} is frozen`,
      )
    } finally {
      nodes[victim]?.thaw()
      await subscription.close()
    }
  })

  test('what the other brokers have written is delivered although one has just died', async () => {
    const topic = await filledTopic()
    const bootstrapServers = nodes.map((node) => node.address)
    const backend = kafka({ bootstrapServers, topic, connectTimeout: 2_000, timeout: 5_000 })
    const keys = Array.from({ length: 30 }, (_, n) => `key-${n}`)
    const events = keys.flatMap((partitionKey) => sampleEvents(1, 0, { partitionKey }))
    const partitionOf = (n: number) => (murmur2(Buffer.from(keys[n] ?? '')) & 0x7fffffff) % 3
    const { signal } = new AbortController()
    try {
      const first = await backend.send(events, signal)
      assert.ok(first.every(({ ok }) => ok))
      killed = 2
      // Nobody knows of it yet but who asks it.
      await nodes[2]?.kill()
      const results = await backend.send(events, signal)
      for (const [n, result] of results.entries()) assert.equal(result.ok, partitionOf(n) !== 2, `${n}`)
      const failures = results.flatMap((result) => (result.ok ? [] : [result.error as OutageError]))
      for (const error of failures) assert.deepEqual([error.code, error.destination], ['SEND_OUTAGE', `${topic} 2`])
      await revive()
    } finally {
      await backend.close()
    }
  })

  for (const fenced of [false, true]) {
    test(`${fenced ? 'fenced, ' : ''}events go to the partitions that have a leader; those of another wait, and go when it is back`, async (t) => {
      const topic = topicName()
      const assignments = [0, 1, 2].map((partition) => ({ partition, brokers: [partition + 1] }))
      await withAdmin(address(0), (admin) => admin.createTopics({ topics: [topic], assignments }))
      await kill(topic, 2)
      const connection = { bootstrapServers: nodes.map((node) => node.address), connectTimeout: 2_000, timeout: 5_000 }
      await using broadcaster = new Broadcaster({
        store: memoryStore(),
        backends: { default: kafka({ ...connection, topic, fenced }) },
        worker: { breaker: { firstProbe: 50, probeInterval: 200 }, retention: false },
      })
      const down: unknown[] = []
      const stops = [
        onSignal('backend.down', (message) => void down.push(message)),
        onSignal('destination.down', ({ destination }) => void down.push(destination)),
      ]
      t.after(() => {
        for (const stop of stops) stop()
      })
      const keys = Array.from({ length: 60 }, (_, n) => `key-${n}`)
      const events = keys.map((partitionKey) => ({ type: 'a', source: '/a', data: null, partitionKey }))
      const unkeyed = Array.from({ length: 10 }, () => ({ type: 'a', source: '/a', data: null }))
      await broadcaster.transaction((tx) => broadcaster.publishMany(tx, [...events, ...unkeyed, ...events]))
      const waiting = keys.filter((key) => (murmur2(Buffer.from(key)) & 0x7fffffff) % 3 === 2)
      assert.ok(waiting.length > 5)
      await broadcaster.worker().start()
      const published = (count: number) =>
        until(`${count} published events`, async () =>
          (await broadcaster.events.filter({ status: 'published' }).count()) === count ? true : undefined,
        )
      await published(130 - 2 * waiting.length)
      assert.deepEqual([...new Set(down)], [`${topic} 2`])
      const rest = await broadcaster.events.exclude({ status: 'published' }).all()
      assert.deepEqual([...new Set(rest.map(({ partitionKey }) => partitionKey ?? ''))].toSorted(), waiting.toSorted())
      await revive()
      await published(130)
      const spent = (await broadcaster.events.filter({}).all()).map(({ retryCount }) => retryCount)
      assert.equal(Math.max(...spent), 0)
      const records = await readTopic(address(0), topic)
      assert.equal(records.length, 130, 'each once')
    })
  }
})
