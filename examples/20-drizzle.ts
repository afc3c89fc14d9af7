/**
 * Drizzle: the order and its event in one `db.transaction`, and a nested one that drops only its own. On libSQL, so
 * that it needs no server; on PostgreSQL or MySQL the same lines follow another `drizzle(...)`.
 *
 *     npm install drizzle-orm @libsql/client
 *     node 20-drizzle.ts
 */
import { createClient } from '@libsql/client'
import { drizzle } from 'drizzle-orm/libsql'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { Broadcaster } from 'ts-broadcaster'
import { drizzleTransaction } from 'ts-broadcaster/drizzle'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { sqlite } from 'ts-broadcaster/sqlite'

const orders = sqliteTable('orders', { id: text().primaryKey(), total: integer().notNull() })

const client = createClient({ url: 'file:shop.db' })
const db = drizzle(client)
await db.run('CREATE TABLE orders (id text PRIMARY KEY, total integer NOT NULL)')

const registry = new HandlerRegistry()
registry.on('order.*', (event) => console.log(event.type, event.data), { name: 'log' })
const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  transaction: drizzleTransaction({ dialect: 'sqlite' }),
  backends: { local: handlers(registry) },
})
await broadcaster.store.schema.migrate()

async function placeOrder(order: typeof orders.$inferInsert, cardDeclined = false): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.insert(orders).values(order)
    await broadcaster.publish(tx, { type: 'order.placed', source: '/shop', data: order, partitionKey: order.id })
    await tx
      .transaction(async (inner) => {
        await broadcaster.publish(inner, { type: 'order.gift', source: '/shop', data: order })
        throw new Error('no gift wrap left')
      })
      .catch((error: Error) => console.log(`${order.id}: ${error.message}`))
    if (cardDeclined) throw new Error('card declined')
  })
}

await placeOrder({ id: 'a', total: 12 })
await placeOrder({ id: 'b', total: 7 }, true).catch((error: Error) => console.log(`b: ${error.message}`))

await broadcaster.processPendingEvents()
console.log(await db.select().from(orders))
await broadcaster.close()
client.close()
