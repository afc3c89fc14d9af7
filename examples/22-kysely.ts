/**
 * Kysely on SQLite: the order and its event in one transaction, with a savepoint that drops only its own.
 *
 *     npm install kysely better-sqlite3
 *     node 22-kysely.ts
 */
import Database from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import { Broadcaster } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { kyselyTransaction } from 'ts-broadcaster/kysely'
import { sqlite } from 'ts-broadcaster/sqlite'

interface Shop {
  orders: { id: string; total: number }
}

const db = new Kysely<Shop>({ dialect: new SqliteDialect({ database: new Database('shop.db') }) })

const registry = new HandlerRegistry()
registry.on('order.*', (event) => console.log(event.type, event.data), { name: 'log' })
const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  transaction: kyselyTransaction({ dialect: 'sqlite' }),
  backends: { local: handlers(registry) },
})
await broadcaster.store.schema.migrate()
await db.schema.createTable('orders').addColumn('id', 'text').addColumn('total', 'integer').execute()

/** `db.transaction().execute(async (tx) => ...)` does as well; savepoints need a controlled transaction. */
async function placeOrder(order: Shop['orders'], cardDeclined = false): Promise<void> {
  const tx = await db.startTransaction().execute()
  try {
    await tx.insertInto('orders').values(order).execute()
    await broadcaster.publish(tx, { type: 'order.placed', source: '/shop', data: order, partitionKey: order.id })
    const inner = await tx.savepoint('gift').execute()
    await broadcaster.publish(inner, { type: 'order.gift', source: '/shop', data: order })
    await inner.rollbackToSavepoint('gift').execute()
    if (cardDeclined) throw new Error('card declined')
    await tx.commit().execute()
  } catch (error) {
    await tx.rollback().execute()
    throw error
  }
}

await placeOrder({ id: 'a', total: 12 })
await placeOrder({ id: 'b', total: 7 }, true).catch((error: Error) => console.log(`b: ${error.message}`))

await broadcaster.processPendingEvents()
console.log(await db.selectFrom('orders').selectAll().execute())
await broadcaster.close()
await db.destroy()
