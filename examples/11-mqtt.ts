/**
 * MQTT 5: each event on the topic of its type; a process with a persistent session handles each once, and gets what came
 * while it was away.
 *
 *     npm install mqtt
 *     MQTT_URL=... node 11-mqtt.ts
 */
import { Broadcaster, Consumer } from 'ts-broadcaster'
import { mqtt, mqttSubscription } from 'ts-broadcaster/mqtt'
import { sqlite } from 'ts-broadcaster/sqlite'

const url = process.env['MQTT_URL'] ?? 'mqtt://127.0.0.1:1883'
const name = process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'

const store = sqlite({ path: 'mqtt.db' })
const broadcaster = new Broadcaster({ store, backends: { default: mqtt({ url, topic: `${name}/{type}` }) } })
await store.schema.migrate()
await broadcaster.worker().start()

/** One run of the warehouse, until it has handled so many. */
async function warehouse(count: number): Promise<void> {
  const all = Promise.withResolvers<void>()
  let handled = 0
  const consumer = new Consumer({
    name: 'warehouse',
    subscription: mqttSubscription({
      url,
      clientId: `${name}-warehouse-1`,
      topics: `${name}/order/#`,
      share: name,
      sessionExpiry: 60,
      deadLetter: { topic: `${name}/dead`, requireSubscriber: false },
    }),
    store,
    handlers: {
      'order.*': ({ type, data }) => {
        console.log(`${type} ${JSON.stringify(data)}`)
        if (++handled === count) all.resolve()
      },
    },
  })
  await consumer.start()
  if (count > 0) await all.promise
  await consumer.stop()
}

// Subscribes: what was published before that is gone.
await warehouse(0)
for (const type of ['order.placed', 'mail.sent', 'order.paid']) {
  await broadcaster.events.create({ type, source: '/shop', data: { id: 'a' }, partitionKey: 'a' })
}
await warehouse(2)
await broadcaster.close()
