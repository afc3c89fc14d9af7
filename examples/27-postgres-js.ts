/**
 * postgres.js: the order and its event in one `sql.begin`, with a savepoint that drops only its own.
 *
 *     npm install postgres pg
 *     POSTGRES_URL=... node 27-postgres-js.ts
 */
import connect from 'postgres'
import { Broadcaster } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { postgres, postgresJsTransaction } from 'ts-broadcaster/postgres'

const url = process.env['POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const schema = process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'

interface Order {
  readonly id: string
  readonly total: number
}

const sql = connect(url, { connection: { search_path: schema } })

const registry = new HandlerRegistry()
registry.on('order.*', (event) => console.log(event.type, event.data), { name: 'log' })
// The store and its worker have connections of their own, through `pg`.
const broadcaster = new Broadcaster({
  store: postgres({ url, schema }),
  transaction: postgresJsTransaction(),
  backends: { local: handlers(registry) },
})
await broadcaster.store.schema.migrate()
await sql`CREATE TABLE orders (id text PRIMARY KEY, total integer)`

async function placeOrder(order: Order, cardDeclined = false): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`INSERT INTO orders ${tx({ ...order })}`
    await broadcaster.publish(tx, { type: 'order.placed', source: '/shop', data: order, partitionKey: order.id })
    await tx
      .savepoint(async (inner) => {
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
console.log([...(await sql`SELECT * FROM orders`)])
await broadcaster.close()
await sql.end()
