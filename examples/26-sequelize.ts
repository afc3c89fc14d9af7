/**
 * Sequelize 6 on PostgreSQL: the order and its event in one transaction, with a nested one that drops only its own.
 *
 *     npm install sequelize pg
 *     POSTGRES_URL=... node 26-sequelize.ts
 */
import { DataTypes, type InferAttributes, type InferCreationAttributes, type Model, Sequelize } from 'sequelize'
import { Broadcaster } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { postgres } from 'ts-broadcaster/postgres'
import { sequelizeTransaction } from 'ts-broadcaster/sequelize'

const url = process.env['POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const schema = process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'

interface Order extends Model<InferAttributes<Order>, InferCreationAttributes<Order>> {
  id: string
  total: number
}

const sequelize = new Sequelize(url, { logging: false })
const Orders = sequelize.define<Order>(
  'Order',
  { id: { type: DataTypes.TEXT, primaryKey: true }, total: DataTypes.INTEGER },
  { schema, tableName: 'orders', timestamps: false },
)

const registry = new HandlerRegistry()
registry.on('order.*', (event) => console.log(event.type, event.data), { name: 'log' })
const broadcaster = new Broadcaster({
  store: postgres({ url, schema }),
  transaction: sequelizeTransaction({ dialect: 'postgres' }),
  backends: { local: handlers(registry) },
})
await broadcaster.store.schema.migrate()
await Orders.sync()

async function placeOrder(order: { id: string; total: number }, cardDeclined = false): Promise<void> {
  await sequelize.transaction(async (transaction) => {
    await Orders.create(order, { transaction })
    await broadcaster.publish(transaction, {
      type: 'order.placed',
      source: '/shop',
      data: order,
      partitionKey: order.id,
    })
    await sequelize
      .transaction({ transaction }, async (inner) => {
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
console.log(await Orders.findAll({ raw: true }))
await broadcaster.close()
await sequelize.close()
