/**
 * A catalogue of typed events: any Standard Schema (here zod) types `publish` and the handlers, and checks the data
 * before anything is written.
 *
 *     npm install zod
 *     node 03-typed-catalogue.ts
 */
import { Broadcaster, BroadcasterError, type DataOutput } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { sqlite } from 'ts-broadcaster/sqlite'
import { z } from 'zod'

const events = {
  'order.placed': z.object({ id: z.string(), total: z.number().positive(), currency: z.string().default('EUR') }),
  'order.cancelled': z.object({ id: z.string(), reason: z.enum(['customer', 'fraud']) }),
}
type Events = { [Type in keyof typeof events]: DataOutput<typeof events, Type> }

const registry = new HandlerRegistry<Events>()
registry.on('order.placed', ({ data }) => console.log(`placed ${data.id}: ${data.total} ${data.currency}`), {
  name: 'a',
})
registry.on('order.cancelled', ({ data }) => console.log(`cancelled ${data.id}: ${data.reason}`), { name: 'b' })

const broadcaster = new Broadcaster({
  store: sqlite({ path: 'catalogue.db' }),
  backends: { local: handlers(registry) },
  events,
})
await broadcaster.store.schema.migrate()

await broadcaster.transaction(async (tx) => {
  const source = '/shop'
  // The schema fills in the currency.
  await broadcaster.publish(tx, { type: 'order.placed', source, data: { id: 'a', total: 12 }, partitionKey: 'a' })
  await broadcaster.publish(tx, {
    type: 'order.cancelled',
    source,
    data: { id: 'a', reason: 'customer' },
    partitionKey: 'a',
  })
})

try {
  await broadcaster.transaction(async (tx) => {
    // @ts-expect-error the data lacks its total: it does not compile, and is refused when it is forced through
    await broadcaster.publish(tx, { type: 'order.placed', source: '/shop', data: { id: 'b' } })
  })
} catch (error) {
  if (!(error instanceof BroadcasterError)) throw error
  console.log(`refused: ${error.code} at ${error.field}`)
}

console.log(`${await broadcaster.processPendingEvents()} events delivered`)
await broadcaster.close()
