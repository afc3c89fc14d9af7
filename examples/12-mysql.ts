/**
 * MySQL or MariaDB: an order and its event commit together, in an own transaction of `mysql2`; a handler books each
 * order in the transaction that marks its event as published, so its effect happens once.
 *
 *     npm install mysql2
 *     MYSQL_URL=mysql://root@127.0.0.1:3306/shop node 12-mysql.ts
 */
import { createPool, type PoolConnection, type RowDataPacket } from 'mysql2/promise'
import { Broadcaster, onSignal } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { mysql } from 'ts-broadcaster/mysql'

const pool = createPool({ uri: process.env['MYSQL_URL'] ?? 'mysql://root@127.0.0.1:3306/test' })
await pool.query('CREATE TABLE IF NOT EXISTS orders (id varchar(10) PRIMARY KEY, total int)')
await pool.query('CREATE TABLE IF NOT EXISTS bookings (id varchar(10), total int)')

let tries = 0
const registry = new HandlerRegistry<{ 'order.placed': { readonly id: string; readonly total: number } }>()
registry.on(
  'order.placed',
  async ({ data }, { tx }) => {
    const connection = tx as PoolConnection
    await connection.execute('INSERT INTO bookings VALUES (?, ?)', [data.id, data.total])
    if (++tries === 1) throw new Error('the first try fails after its write')
  },
  { name: 'book' },
)

const store = mysql({ pool })
const broadcaster = new Broadcaster({ store, backends: { local: handlers(registry, { transactional: true }) } })
await store.schema.migrate()

/** Any connection on which a transaction was begun; the pool itself does not even compile. */
async function place(id: string, total: number): Promise<void> {
  const connection = await pool.getConnection()
  try {
    await connection.beginTransaction()
    await connection.execute('INSERT INTO orders VALUES (?, ?)', [id, total])
    await broadcaster.publish(connection, { type: 'order.placed', source: '/shop', data: { id, total } })
    if (total > 100) throw new Error('card declined')
    await connection.commit()
  } catch (error) {
    await connection.rollback()
    console.log(`order ${id} was rolled back: ${error instanceof Error ? error.message : error}`)
  } finally {
    connection.release()
  }
}

const all = Promise.withResolvers<void>()
let published = 0
onSignal('event.published', () => {
  if (++published === 2) all.resolve()
})
await place('a', 12)
await place('b', 500)
await place('c', 30)
await broadcaster.worker({ retry: { base: 20, jitter: 'none' } }).start()
await all.promise
await broadcaster.close()

const [rows] = await pool.query<RowDataPacket[]>('SELECT id, total FROM bookings ORDER BY id')
for (const { id, total } of rows) console.log(`booked ${id}: ${total} EUR`)
console.log(`${tries} tries`)
await pool.end()
