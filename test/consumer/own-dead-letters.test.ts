import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { kafkaSubscription } from '../../src/kafka/kafka-subscription.ts'
import { mqttSubscription } from '../../src/mqtt/mqtt-subscription.ts'
import { takesTopic } from '../../src/mqtt/topic.ts'
import { natsJetStreamSubscription } from '../../src/nats/nats-subscription.ts'
import { rabbitmqSubscription } from '../../src/rabbitmq/rabbitmq-subscription.ts'
import { redisStreamsSubscription } from '../../src/redis-streams/redis-streams-subscription.ts'
import { NatsProcess, skipWithoutNatsServer } from '../backend/nats-process.ts'
import { withManager } from '../backend/nats-stream.ts'

const REFUSED = { code: 'INVALID_OPTION', message: /deadLetter must have/ }

for (const [what, make] of Object.entries({
  kafka: () => kafkaSubscription({ topics: ['a', 'b'], deadLetter: { topic: 'b' } }),
  rabbitmq: () => rabbitmqSubscription({ queue: 'a', deadLetter: { queue: 'a' } }),
  mqtt: () => mqttSubscription({ clientId: 'a', topics: ['a/+/c'], deadLetter: { topic: 'a/b/c' } }),
  'redis-streams': () => redisStreamsSubscription({ stream: 'a', deadLetter: { stream: 'a' } }),
})) {
  test(`${what}: a place for dead letters that the consumer reads itself is refused`, () => {
    assert.throws(make, REFUSED)
  })
}

/** By their defaults, which follow from the consumer's name: nothing is asked of a server before. */
for (const [what, make] of Object.entries<() => Subscription>({
  rabbitmq: () => rabbitmqSubscription({ url: 'amqp://127.0.0.1:1', deadLetter: { queue: 'billing' } }),
  mqtt: () => mqttSubscription({ url: 'mqtt://127.0.0.1:1', clientId: 'a', topics: '#' }),
})) {
  test(`${what}: it is refused, too, when only the name of the consumer shows it`, async () => {
    const subscription = make()
    await assert.rejects(subscription.open({ consumer: 'billing' }, AbortSignal.timeout(10_000)), REFUSED)
    await subscription.close()
  })
}

describe('natsJetStreamSubscription', { skip: skipWithoutNatsServer() }, () => {
  let server: NatsProcess
  before(async () => {
    server = await NatsProcess.start()
  })
  after(() => server?.remove())

  test('dead letters in the stream that is read, under a subject that is, are refused; under another one they are not', async () => {
    const name = `S_${randomBytes(4).toString('hex')}`
    await withManager(server.url, (manager) => manager.streams.add({ name, subjects: ['orders.>', 'dead.>'] }))
    const open = async (durable: string, filterSubject?: string): Promise<void> => {
      const filter = filterSubject && { filterSubject }
      const deadLetter = { stream: name }
      const subscription = natsJetStreamSubscription({ url: server.url, stream: name, durable, deadLetter, ...filter })
      try {
        await subscription.open({ consumer: 'billing' }, AbortSignal.timeout(10_000))
      } finally {
        await subscription.close()
      }
    }
    await assert.rejects(open('all'), REFUSED)
    await assert.rejects(open('dead', 'dead.>'), REFUSED)
    await open('orders', 'orders.>')
  })
})

test('which topics an MQTT filter takes', () => {
  for (const [filter, topic, takes] of [
    ['#', 'dead/billing', true],
    ['#', '$dead/billing', false],
    ['$dead/#', '$dead/billing', true],
    ['dead/#', 'dead', true],
    ['+/billing', 'dead/billing', true],
    ['+', 'dead/billing', false],
    ['dead/+', 'dead', false],
    ['dead/billing', 'dead/billing', true],
    ['dead/bill', 'dead/billing', false],
  ] as const) {
    assert.equal(takesTopic(filter, topic), takes, `${filter} ${topic}`)
  }
})
