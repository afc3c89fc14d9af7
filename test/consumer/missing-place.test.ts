import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { kafkaSubscription } from '../../src/kafka/kafka-subscription.ts'
import { natsJetStreamSubscription } from '../../src/nats/nats-subscription.ts'
import { rabbitmqSubscription } from '../../src/rabbitmq/rabbitmq-subscription.ts'
import { servers, skipWithout } from '../support/servers.ts'

const name = `absent-${randomBytes(6).toString('hex')}`

/** What a subscription says when what it reads is not there: which option makes it, and of whom that option is. */
const ABSENT: readonly {
  readonly what: string
  readonly server: 'nats' | 'kafka' | 'rabbitmq'
  readonly subscribe: (url: string) => Subscription
  readonly says: RegExp
}[] = [
  {
    what: 'NATS: the stream',
    server: 'nats',
    subscribe: (url) => natsJetStreamSubscription({ url, stream: name }),
    says: /there is no stream absent-\w+; create it, or have the backend do it by natsJetStream\(\{ stream: \{ name, create: true \} \}\)/,
  },
  {
    what: 'Kafka: the topic',
    server: 'kafka',
    subscribe: (url) => kafkaSubscription({ bootstrapServers: [new URL(url).host], topics: [name] }),
    says: /there is no such topic; create it, or have the backend do it by kafka\(\{ create: true \}\)/,
  },
  {
    what: 'RabbitMQ: the queue',
    server: 'rabbitmq',
    subscribe: (url) => rabbitmqSubscription({ url, queue: name }),
    says: /there is no queue 'absent-\w+'; declare it, or set create: \{ queue: \{\} \}/,
  },
  {
    what: 'RabbitMQ: the queue, though bindings are to be made',
    server: 'rabbitmq',
    subscribe: (url) => rabbitmqSubscription({ url, queue: name, create: { bindings: [{ exchange: 'amq.topic' }] } }),
    says: /there is no queue 'absent-\w+'; declare it, or set create: \{ queue: \{\} \}/,
  },
  {
    what: 'RabbitMQ: the exchange',
    server: 'rabbitmq',
    subscribe: (url) =>
      rabbitmqSubscription({
        url,
        queue: `${name}-bound`,
        create: { queue: { type: 'classic', arguments: { 'x-expires': 5_000 } }, bindings: [{ exchange: name }] },
      }),
    says: /there is no exchange 'absent-\w+' to bind the queue 'absent-\w+-bound' to; declare it, or have the backend/,
  },
]

for (const { what, server, subscribe, says } of ABSENT) {
  test(`${what} is not there`, { skip: skipWithout(server) }, async () => {
    const subscription = subscribe(servers[server]()?.url ?? '')
    const options = { inbox: false, failFast: true, logger: false } as const
    const consumer = new Consumer({ name: 'c', subscription, handlers: { '*': () => undefined }, ...options })
    try {
      await assert.rejects(consumer.start(), (error: Error) => {
        assert.match(error.message, says)
        return true
      })
    } finally {
      await consumer.stop()
    }
  })
}

test('RabbitMQ: before the consumer ever ran there are no dead letters', {
  skip: skipWithout('rabbitmq'),
}, async () => {
  const subscription = rabbitmqSubscription({ url: servers.rabbitmq()?.url ?? '', queue: name })
  const place = subscription.deadLetterPlace?.({ consumer: 'c' })
  assert.ok(place)
  try {
    assert.deepEqual(await place.list({ limit: 10 }, AbortSignal.timeout(10_000)), [])
    assert.equal(await place.requeue('a', AbortSignal.timeout(10_000)), false)
  } finally {
    await place.close()
  }
})
