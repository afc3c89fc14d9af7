/**
 * The smallest outbox: a SQLite file, and local handlers that run in a worker of this process. Needs no server.
 *
 *     node 01-sqlite-handlers.ts
 */
import { DatabaseSync } from 'node:sqlite'
import { Broadcaster } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { sqlite } from 'ts-broadcaster/sqlite'

interface Order {
  readonly id: string
  readonly total: number
}

const delivered = Promise.withResolvers<void>()
const registry = new HandlerRegistry<{ 'order.placed': Order }>()
registry.on(
  'order.placed',
  (event) => {
    console.log(`receipt for order ${event.data.id}: ${event.data.total} EUR`)
    if (event.data.id === 'c') delivered.resolve()
  },
  { name: 'send-receipt' },
)

const broadcaster = new Broadcaster({ store: sqlite({ path: 'shop.db' }), backends: { local: handlers(registry) } })
await broadcaster.store.schema.migrate()

const database = new DatabaseSync('shop.db')
database.exec('CREATE TABLE IF NOT EXISTS orders (id TEXT, total REAL)')

/** The order and its event are one transaction: both are there, or neither is. */
function placeOrder(order: Order, cardDeclined = false): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    database.prepare('INSERT INTO orders VALUES (?, ?)').run(order.id, order.total)
    broadcaster.publishSync(database, {
      type: 'order.placed',
      source: '/shop',
      data: order,
      partitionKey: 'customer-1',
    })
    if (cardDeclined) throw new Error('card declined')
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    console.log(`order ${order.id} was rolled back: ${(error as Error).message}`)
  }
}

placeOrder({ id: 'a', total: 12 })
placeOrder({ id: 'b', total: 7 }, true)
placeOrder({ id: 'c', total: 30 })

const worker = broadcaster.worker()
await worker.start()
await delivered.promise
await worker.stop()

const published = await broadcaster.events.filter({ status: 'published' }).count()
console.log(`${published} events published, ${await broadcaster.events.count()} stored`)
database.close()
await broadcaster.close()
