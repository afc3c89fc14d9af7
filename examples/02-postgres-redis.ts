/**
 * PostgreSQL to Redis Streams: an order and its event commit together; a worker appends the event to a stream.
 *
 *     npm install pg redis
 *     POSTGRES_URL=... REDIS_URL=... node 02-postgres-redis.ts
 */
import { Pool } from 'pg'
import { createClient } from 'redis'
import { Broadcaster, onSignal } from 'ts-broadcaster'
import { postgres } from 'ts-broadcaster/postgres'
import { redisStreams } from 'ts-broadcaster/redis-streams'

const connectionString = process.env['POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const schema = process.env['EXAMPLE_SCHEMA'] ?? 'broadcaster_example'
const stream = `${schema}_events`

const pool = new Pool({ connectionString })
const broadcaster = new Broadcaster({
  store: postgres({ pool, schema }),
  backends: { default: redisStreams({ url: redisUrl, stream }) },
})
await broadcaster.store.schema.migrate()
await pool.query(`CREATE TABLE IF NOT EXISTS ${schema}.orders (id text, status text)`)

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
let published = 0
onSignal('event.published', () => {
  if (++published === 4) all.resolve()
})
const worker = broadcaster.worker()
await worker.start()
await changeOrder('a', 'placed')
await changeOrder('b', 'placed')
await changeOrder('a', 'paid')
await changeOrder('a', 'shipped')
await all.promise
await worker.stop()

const redis = createClient({ url: redisUrl })
await redis.connect()
const ofA: unknown[] = []
for (const entry of (await redis.xRange(stream, '-', '+')) ?? []) {
  const event = JSON.parse(entry?.message['cloud_event'] ?? '{}') as {
    readonly type: string
    readonly partitionkey: string
  }
  if (event.partitionkey === 'a') ofA.push(event.type)
}
console.log(`order a, as a reader of the stream sees it: ${ofA.join(', ')}`)
await redis.del(stream)
await redis.close()
await broadcaster.close()
await pool.end()
