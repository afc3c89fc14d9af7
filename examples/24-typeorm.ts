/**
 * TypeORM on SQLite: the order and its event through one transactional EntityManager, with a nested transaction that
 * drops only its own. (With decorators or without, entities are the same to the outbox.)
 *
 *     npm install typeorm better-sqlite3
 *     node 24-typeorm.ts
 */
import { Broadcaster } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { sqlite } from 'ts-broadcaster/sqlite'
import { typeormTransaction } from 'ts-broadcaster/typeorm'
import { DataSource, EntitySchema } from 'typeorm'

interface Order {
  readonly id: string
  readonly total: number
}

const OrderEntity = new EntitySchema<Order>({
  name: 'Order',
  tableName: 'orders',
  columns: { id: { type: 'text', primary: true }, total: { type: 'integer' } },
})

const registry = new HandlerRegistry()
registry.on('order.*', (event) => console.log(event.type, event.data), { name: 'log' })
const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  transaction: typeormTransaction({ dialect: 'sqlite' }),
  backends: { local: handlers(registry) },
})
await broadcaster.store.schema.migrate()
const dataSource = new DataSource({ type: 'better-sqlite3', database: 'shop.db', entities: [OrderEntity] })
await dataSource.initialize()
await dataSource.query('CREATE TABLE orders (id TEXT PRIMARY KEY, total INTEGER)')

async function placeOrder(order: Order, cardDeclined = false): Promise<void> {
  await dataSource.transaction(async (manager) => {
    await manager.insert(OrderEntity, order)
    await broadcaster.publish(manager, { type: 'order.placed', source: '/shop', data: order, partitionKey: order.id })
    await manager
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
console.log(await dataSource.manager.find(OrderEntity))
await broadcaster.close()
await dataSource.destroy()
