/**
 * PostgreSQL to Redis Streams and back: an order and its event commit together; a worker appends the event to a stream; a
 * consumer handles each once, in a transaction of its own.
 *
 *     npm install pg redis
 *     POSTGRES_URL=... REDIS_URL=... node 02-postgres-redis.ts
 */
import { Pool } from 'pg'
import { createClient } from 'redis'
import { Broadcaster, Consumer } from 'ts-broadcaster'
import { postgres } from 'ts-broadcaster/postgres'
import { redisStreams, redisStreamsSubscription } from 'ts-broadcaster/redis-streams'

const connectionString = process.env['POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const schema = process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'
const stream = `${schema}_events`

const pool = new Pool({ connectionString })
const store = postgres({ pool, schema })
const broadcaster = new Broadcaster({ store, backends: { default: redisStreams({ url, stream }) } })
await store.schema.migrate()
await pool.query(`CREATE TABLE IF NOT EXISTS ${schema}.orders (id text, status text)`)
await pool.query(`CREATE TABLE IF NOT EXISTS ${schema}.history (line text)`)

/** Any client of `pg` on which BEGIN was run is a transaction; the pool itself does not even compile. */
async function changeOrder(id: string, status: string): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query(`INSERT INTO ${schema}.orders VALUES ($1, $2)`, [id, status])
    await broadcaster.publish(client, { type: `order.${status}`, source: '/shop', data: { id }, partitionKey: id })
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

const all = Promise.withResolvers<void>()
let handled = 0
const consumer = new Consumer({
  name: 'history',
  subscription: redisStreamsSubscription({ url, stream }),
  store,
  handlers: {
    'order.*': async ({ type, partitionKey }, { tx }) => {
      await tx.query({ text: `INSERT INTO ${schema}.history VALUES ($1)`, values: [`${partitionKey} ${type}`] })
      if (++handled === 4) all.resolve()
    },
  },
})
await consumer.start()
await broadcaster.worker().start()
await changeOrder('a', 'placed')
await changeOrder('b', 'placed')
await changeOrder('a', 'paid')
await changeOrder('a', 'shipped')
await all.promise
await consumer.stop()
await broadcaster.close()

const { rows } = await pool.query(`SELECT line FROM ${schema}.history WHERE line LIKE 'a %'`)
for (const { line } of rows) console.log(line)
const redis = createClient({ url })
await redis.connect()
await redis.del(stream)
await redis.close()
await pool.end()
