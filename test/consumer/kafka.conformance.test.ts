import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Producer } from '@platformatic/kafka'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { kafkaSubscription } from '../../src/kafka/kafka-subscription.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { type SubscriptionFixture, subscriptionConformance } from '../../src/testing/subscription-conformance.ts'
import { KafkaProcess } from '../backend/kafka-process.ts'
import {
  createTopic,
  readTopic,
  servesGroups,
  servesProducers,
  servesTopic,
  topicName,
} from '../backend/kafka-topic.ts'
import { skipWithoutJars } from '../support/jars.ts'
import { publishTo } from './publish-to.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}
const SESSION = 4_000

async function fixture(server: KafkaProcess, mode: 'structured' | 'binary'): Promise<SubscriptionFixture> {
  const topic = topicName()
  // One partition: the cases compare what comes with what was published, in order.
  await createTopic(server.address, topic, 1)
  const made: Subscription[] = []
  const connection = { bootstrapServers: server.address, connectTimeout: 2_000, timeout: 3_000 }
  const backend = kafka({ ...connection, topic, mode })
  return {
    subscribe() {
      const options = {
        ...connection,
        topics: topic,
        // A topic is made anew for each case, a group is not.
        sessionTimeout: SESSION,
        heartbeatInterval: 200,
      }
      const inner = kafkaSubscription(options)
      let opened = inner
      const subscription: Subscription = {
        description: inner.description,
        open(context, signal) {
          // Each case has its own groups, as it has its own topic.
          opened = kafkaSubscription({ ...options, group: `${topic}-${context.consumer}` })
          return opened.open(context, signal)
        },
        receive: (limit, signal) => opened.receive(limit, signal),
        close: () => opened.close(),
        backlog: async () => opened.backlog?.(),
        deadLetterPlace: (context) => inner.deadLetterPlace?.(context) ?? assert.fail('it has none'),
      }
      made.push(subscription)
      return subscription
    },
    publish: (events) => publishTo(backend, events),
    async publishUnreadable(body) {
      const producer = new Producer({ clientId: 'test', bootstrapBrokers: [server.address] })
      await producer.send({ messages: [{ topic, value: Buffer.from(body) }] })
      await producer.close()
    },
    async deadLetters() {
      return (await readTopic(server.address, `${topic}.dead`)).map(({ headers, value }) => ({
        body: value,
        consumer: headers.get('broadcaster-consumer') ?? '',
        error: headers.get('broadcaster-error') ?? '',
        attempts: Number(headers.get('broadcaster-attempts')),
      }))
    },
    stopServer: () => server.kill(),
    async startServer() {
      await server.start()
      await servesProducers(server.address)
      await servesTopic(server.address, topic)
    },
    redeliverAfter: SESSION,
    async close() {
      for (const subscription of made) await subscription.close()
      await backend.close()
    },
  }
}

const limits = {
  counts: 'Kafka does not count how often it hands a record out',
}

describe('kafkaSubscription', { skip: skipWithoutJars('kafka'), concurrency: true }, () => {
  for (const mode of ['structured', 'binary'] as const) {
    // Each on a server of its own, which its cases stop.
    describe(mode, { concurrency: 1 }, () => {
      let server: KafkaProcess
      before(async () => {
        server = await KafkaProcess.start({ 'group.min.session.timeout.ms': '500' })
        await servesProducers(server.address)
        await servesGroups(server.address)
      })
      after(() => server?.remove())
      runConformance(runner, subscriptionConformance, () => fixture(server, mode), limits)
    })
  }
})
