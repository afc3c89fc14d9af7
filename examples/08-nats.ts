/**
 * NATS JetStream: events go to a stream, each on the subject of its type; a durable consumer handles some of them once.
 *
 *     npm install @nats-io/transport-node @nats-io/jetstream
 *     NATS_URL=... node 08-nats.ts
 */
import { DatabaseSync } from 'node:sqlite'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Broadcaster, Consumer } from 'ts-broadcaster'
import { natsJetStream, natsJetStreamSubscription } from 'ts-broadcaster/nats'
import { sqlite } from 'ts-broadcaster/sqlite'

const servers = process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222'
const name = process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'

// The shop
const stream = { name, create: true, subjects: [`${name}.>`] }
const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  backends: { default: natsJetStream({ url: servers, subject: `${name}.{type}`, stream }) },
})
await broadcaster.store.schema.migrate()
// Connects, and makes the stream that the warehouse will read.
await broadcaster.getBackendHealth()
await broadcaster.worker().start()

const database = new DatabaseSync('shop.db')
database.exec('BEGIN IMMEDIATE')
for (const type of ['order.placed', 'order.paid', 'mail.sent', 'order.shipped']) {
  broadcaster.publishSync(database, { type, source: '/shop', data: { id: 'a' }, partitionKey: 'a' })
}
database.exec('COMMIT')
database.close()

// The warehouse, with a database of its own
const store = sqlite({ path: 'warehouse.db' })
await store.schema.migrate()
const all = Promise.withResolvers<void>()
const consumer = new Consumer({
  name: 'warehouse',
  subscription: natsJetStreamSubscription({ url: servers, stream: name, filterSubject: `${name}.order.*` }),
  store,
  handlers: {
    'order.*': ({ type, data }) => {
      console.log(`${type} ${JSON.stringify(data)}`)
      if (type === 'order.shipped') all.resolve()
    },
  },
})
await consumer.start()
await all.promise
await consumer.stop()
await broadcaster.close()
await store.close()

const nats = await connect({ servers })
const manager = await jetstreamManager(nats)
for (const each of [name, `${name}_DEAD`]) await manager.streams.delete(each)
await nats.close()
