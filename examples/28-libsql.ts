/**
 * libSQL on a SQLite file: the order and its event on one transaction of `@libsql/client`.
 *
 *     npm install @libsql/client
 *     node 28-libsql.ts
 */
import { createClient } from '@libsql/client'
import { Broadcaster } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { libsqlTransaction, sqlite } from 'ts-broadcaster/sqlite'

const client = createClient({ url: 'file:shop.db' })

const registry = new HandlerRegistry()
registry.on('order.*', (event) => console.log(event.type, event.data), { name: 'log' })
const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  transaction: libsqlTransaction(),
  backends: { local: handlers(registry) },
})
await broadcaster.store.schema.migrate()
await client.execute('CREATE TABLE orders (id TEXT PRIMARY KEY, total INTEGER)')

async function placeOrder(order: { id: string; total: number }, cardDeclined = false): Promise<void> {
  const tx = await client.transaction('write')
  try {
    await tx.execute({ sql: 'INSERT INTO orders VALUES (?, ?)', args: [order.id, order.total] })
    await broadcaster.publish(tx, { type: 'order.placed', source: '/shop', data: order, partitionKey: order.id })
    await tx.execute('SAVEPOINT gift')
    await broadcaster.publish(tx, { type: 'order.gift', source: '/shop', data: order })
    await tx.execute('ROLLBACK TO gift')
    if (cardDeclined) throw new Error('card declined')
    await tx.commit()
  } finally {
    // Rolls back what was not committed.
    tx.close()
  }
}

await placeOrder({ id: 'a', total: 12 })
await placeOrder({ id: 'b', total: 7 }, true).catch((error: Error) => console.log(`b: ${error.message}`))

await broadcaster.processPendingEvents()
console.log((await client.execute('SELECT * FROM orders')).rows.map(({ id, total }) => ({ id, total })))
await broadcaster.close()
client.close()
