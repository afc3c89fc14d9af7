/**
 * Knex on SQLite: the order and its event on one `trx`, with a nested transaction that drops only its own.
 *
 *     npm install knex better-sqlite3
 *     node 23-knex.ts
 */
import createKnex from 'knex'
import { Broadcaster } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { knexTransaction } from 'ts-broadcaster/knex'
import { sqlite } from 'ts-broadcaster/sqlite'

interface Order {
  readonly id: string
  readonly total: number
}

const knex = createKnex({ client: 'better-sqlite3', connection: { filename: 'shop.db' }, useNullAsDefault: true })

const registry = new HandlerRegistry()
registry.on('order.*', (event) => console.log(event.type, event.data), { name: 'log' })
const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  transaction: knexTransaction({ dialect: 'sqlite' }),
  backends: { local: handlers(registry) },
})
await broadcaster.store.schema.migrate()
await knex.schema.createTable('orders', (table) => {
  table.text('id').primary()
  table.integer('total')
})

async function placeOrder(order: Order, cardDeclined = false): Promise<void> {
  await knex.transaction(async (trx) => {
    await trx<Order>('orders').insert(order)
    await broadcaster.publish(trx, { type: 'order.placed', source: '/shop', data: order, partitionKey: order.id })
    await trx
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
console.log(await knex<Order>('orders').select())
await broadcaster.close()
await knex.destroy()
