/**
 * RabbitMQ: an event for which no queue is bound is a failure, and is delivered when a consumer has one. What it cannot
 * handle goes to the dead-letter queue.
 *
 *     npm install amqplib
 *     AMQP_URL=... node 09-rabbitmq.ts
 */
import { connect } from 'amqplib'
import { Broadcaster, Consumer, onSignal, PermanentError } from 'ts-broadcaster'
import { rabbitmq, rabbitmqSubscription } from 'ts-broadcaster/rabbitmq'
import { sqlite } from 'ts-broadcaster/sqlite'

const url = process.env['AMQP_URL'] ?? 'amqp://guest:guest@127.0.0.1:5672'
const exchange = `${process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'}_events`
const queue = `${exchange}_of_shipping`

const store = sqlite({ path: 'rabbitmq.db' })
const broadcaster = new Broadcaster({
  store,
  backends: { default: rabbitmq({ url, create: { exchange: { name: exchange, type: 'topic' } } }) },
})
await store.schema.migrate()

const all = Promise.withResolvers<void>()
const consumer = new Consumer({
  name: 'shipping',
  subscription: rabbitmqSubscription({
    url,
    queue,
    create: { queue: { type: 'classic' }, bindings: [{ exchange, routingKey: 'order.*' }] },
  }),
  store,
  handlers: {
    'order.*': ({ type, data }) => {
      console.log(`shipping got ${type} ${JSON.stringify(data)}`)
    },
    'order.cursed': () => {
      throw new PermanentError('nobody ships that')
    },
  },
})
onSignal('delivery.failed', ({ event, error }) => {
  console.log(`given up: ${event?.type}: ${error instanceof Error ? error.message : error}`)
  all.resolve()
})

let starting: Promise<void> | undefined
onSignal('event.retried', () => {
  if (starting !== undefined) return
  console.log('no queue wants it yet')
  starting = consumer.start()
})
await broadcaster.worker({ retry: { base: 100 } }).start()
for (const type of ['order.placed', 'order.paid', 'order.cursed']) {
  const event = { type, source: '/shop', data: { id: 'a' }, partitionKey: 'a' }
  // Nobody knows how long it takes until a queue wants it.
  await broadcaster.events.create(event, { maxRetries: 100 })
}
await all.promise
await consumer.stop()
await broadcaster.close()

const connection = await connect(url)
const channel = await connection.createChannel()
for (const each of [queue, `${queue}.dead`]) await channel.deleteQueue(each)
await channel.deleteExchange(exchange)
await connection.close()
