/**
 * Kafka: each event is a record with its partition key, so the events of an order stay in order, through two processes of
 * a consumer group that share the partitions, each handled once.
 *
 *     npm install @platformatic/kafka
 *     KAFKA_SERVERS=... node 10-kafka.ts
 */
import { Admin } from '@platformatic/kafka'
import { Broadcaster, Consumer } from 'ts-broadcaster'
import { kafka, kafkaSubscription } from 'ts-broadcaster/kafka'
import { sqlite } from 'ts-broadcaster/sqlite'

const bootstrapServers = process.env['KAFKA_SERVERS'] ?? '127.0.0.1:9092'
const topic = process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'
const admin = new Admin({ clientId: 'example', bootstrapBrokers: [bootstrapServers] })
await admin.createTopics({ topics: [topic], partitions: 4, replicas: 1 })

// The shop
const store = sqlite({ path: 'kafka.db' })
const broadcaster = new Broadcaster({
  store,
  backends: { default: kafka({ bootstrapServers, topic, mode: 'binary' }) },
})
await store.schema.migrate()
await broadcaster.worker().start()
await broadcaster.transaction(async (tx) => {
  for (const status of ['placed', 'paid', 'shipped']) {
    for (const id of ['a', 'b', 'c', 'd']) {
      await broadcaster.publish(tx, { type: `order.${status}`, source: '/shop', data: { id }, partitionKey: id })
    }
  }
})

// Two processes of the warehouse, here in one
const seen = new Map<unknown, string[]>()
const all = Promise.withResolvers<void>()
const start = async () => {
  const consumer = new Consumer({
    name: `${topic}_warehouse`,
    subscription: kafkaSubscription({ bootstrapServers, topics: topic, heartbeatInterval: 200 }),
    store,
    handlers: {
      'order.*': ({ type, partitionKey }) => {
        seen.set(partitionKey, [...(seen.get(partitionKey) ?? []), type])
        if ([...seen.values()].flat().length === 12) all.resolve()
      },
    },
  })
  await consumer.start()
  return consumer
}
const consumers = await Promise.all([start(), start()])
await all.promise
for (const consumer of consumers) await consumer.stop()
await broadcaster.close()
for (const [id, types] of [...seen].toSorted()) console.log(`${id}: ${types.join(', ')}`)

await admin.deleteTopics({ topics: [topic, `${topic}.dead`] })
await admin.close()
