/**
 * MikroORM 7 on SQLite: the order and its event in one `em.transactional`, with a nested one that drops only its own.
 *
 *     npm install @mikro-orm/core @mikro-orm/sqlite
 *     node 25-mikro-orm.ts
 */
import { defineEntity, MikroORM, p } from '@mikro-orm/sqlite'
import { Broadcaster } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { mikroOrmTransaction } from 'ts-broadcaster/mikro-orm'
import { sqlite } from 'ts-broadcaster/sqlite'

const Order = defineEntity({
  name: 'Order',
  tableName: 'orders',
  properties: { id: p.string().primary(), total: p.integer() },
})

const orm = await MikroORM.init({ entities: [Order], dbName: 'shop.db' })
await orm.schema.create()

const registry = new HandlerRegistry()
registry.on('order.*', (event) => console.log(event.type, event.data), { name: 'log' })
const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  transaction: mikroOrmTransaction({ dialect: 'sqlite' }),
  backends: { local: handlers(registry) },
})
await broadcaster.store.schema.migrate()

async function placeOrder(order: { id: string; total: number }, cardDeclined = false): Promise<void> {
  await orm.em.fork().transactional(async (em) => {
    em.create(Order, order)
    await broadcaster.publish(em, { type: 'order.placed', source: '/shop', data: order, partitionKey: order.id })
    await em
      .transactional(async (inner) => {
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
console.log((await orm.em.fork().findAll(Order)).map(({ id, total }) => ({ id, total })))
await broadcaster.close()
await orm.close()
