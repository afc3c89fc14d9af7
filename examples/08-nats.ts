/**
 * NATS JetStream: events go to a stream, each on the subject of its type; a durable consumer reads some of them.
 *
 *     npm install @nats-io/transport-node @nats-io/jetstream
 *     NATS_URL=... node 08-nats.ts
 */
import { DatabaseSync } from 'node:sqlite'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Broadcaster, onSignal } from 'ts-broadcaster'
import { natsJetStream } from 'ts-broadcaster/nats'
import { sqlite } from 'ts-broadcaster/sqlite'

const servers = process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222'
const name = process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'

const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  backends: {
    default: natsJetStream({
      servers,
      subject: `${name}.{type}`,
      stream: { name, create: true, subjects: [`${name}.>`] },
    }),
  },
})
await broadcaster.store.schema.migrate()

const all = Promise.withResolvers<void>()
let published = 0
onSignal('event.published', () => {
  if (++published === 4) all.resolve()
})
const worker = broadcaster.worker()
await worker.start()

const database = new DatabaseSync('shop.db')
database.exec('BEGIN IMMEDIATE')
for (const type of ['order.placed', 'order.paid', 'mail.sent', 'order.shipped']) {
  broadcaster.publishSync(database, { type, source: '/shop', data: { id: 'a' }, partitionKey: 'a' })
}
database.exec('COMMIT')
database.close()
await all.promise
await worker.stop()

const nats = await connect({ servers })
const manager = await jetstreamManager(nats)
await manager.consumers.add(name, { durable_name: 'orders', filter_subject: `${name}.order.*`, ack_policy: 'explicit' })
const consumer = await manager.jetstream().consumers.get(name, 'orders')
for await (const message of await consumer.fetch({ max_messages: 3, expires: 10_000 })) {
  const event = message.json<{ readonly type: string; readonly data: { readonly id: string } }>()
  console.log(`${event.type} ${event.data.id}`)
  message.ack()
}
await manager.streams.delete(name)
await nats.close()
await broadcaster.close()
