/** A worker in a process of its own, to be killed. Delivers `schema` of PostgreSQL to a Redis stream. */
import { Pool } from 'pg'
import { redisStreams } from '../../src/backend/redis-streams/redis-streams.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'

export interface WorkerTask {
  readonly name: string
  readonly postgresUrl: string
  readonly redisUrl: string
  readonly schema: string
  readonly stream: string
  readonly batchSize: number
  readonly concurrency: number
  readonly maxInHand: number
}

const { name, postgresUrl, redisUrl, schema, stream, ...sizes } = JSON.parse(process.argv[2] ?? '{}') as WorkerTask
const pool = new Pool({ connectionString: postgresUrl, max: 4 })
const broadcaster = new Broadcaster({
  store: postgres({ pool, schema }),
  backends: { default: redisStreams({ url: redisUrl, stream, trim: false }) },
})
const worker = broadcaster.worker({ name, retention: false, ...sizes })
await worker.start()
process.send?.('started')
process.once('message', async () => {
  await broadcaster.close()
  await pool.end()
  process.disconnect?.()
})
