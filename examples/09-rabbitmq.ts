/**
 * SQLite to RabbitMQ: an event for which no queue is bound is a failure, and is delivered when there is one.
 *
 *     npm install amqplib
 *     AMQP_URL=... node 09-rabbitmq.ts
 */
import { connect } from 'amqplib'
import { Broadcaster, onSignal } from 'ts-broadcaster'
import { decodeStructured, toCloudEvent } from 'ts-broadcaster/cloudevents'
import { rabbitmq } from 'ts-broadcaster/rabbitmq'
import { sqlite } from 'ts-broadcaster/sqlite'

const url = process.env['AMQP_URL'] ?? 'amqp://guest:guest@127.0.0.1:5672'
const exchange = `${process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'}_events`

const broadcaster = new Broadcaster({
  store: sqlite({ path: 'rabbitmq.db' }),
  backends: { default: rabbitmq({ url, declare: { exchange: { name: exchange, type: 'topic' } } }) },
})
await broadcaster.store.schema.migrate()

const connection = await connect(url)
const channel = await connection.createChannel()
const queue = `${exchange}_of_shipping`

/** The consumer's side: a queue for all events about orders. */
async function consume(): Promise<void> {
  await channel.assertExchange(exchange, 'topic')
  await channel.assertQueue(queue, { exclusive: true })
  await channel.bindQueue(queue, exchange, 'order.*')
  await channel.consume(queue, (message) => {
    if (!message) return
    const { type, data } = toCloudEvent(decodeStructured(message.content))
    console.log(`shipping got ${type} ${JSON.stringify(data)}`)
    channel.ack(message)
    if (type === 'order.paid') all.resolve()
  })
}

const all = Promise.withResolvers<void>()
let consuming: Promise<void> | undefined
onSignal('event.retried', () => {
  if (consuming !== undefined) return
  console.log('no queue wants it yet')
  consuming = consume()
})
const worker = broadcaster.worker({ retry: { base: 100 } })
await worker.start()
await broadcaster.events.create({ type: 'order.placed', source: '/shop', data: { id: 'a' }, partitionKey: 'a' })
await broadcaster.events.create({ type: 'order.paid', source: '/shop', data: { id: 'a' }, partitionKey: 'a' })
await all.promise
await worker.stop()

await channel.deleteExchange(exchange)
await connection.close()
await broadcaster.close()
