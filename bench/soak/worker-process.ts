/** The worker of a soak, in a process of its own. Reports twice a second until `stop`. */
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import type { RetentionOptions } from '../../src/retention/retention-options.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal } from '../../src/telemetry/signals.ts'

/** What it is to do. */
export interface SoakTask {
  readonly url: string
  readonly schema: string
  readonly redisUrl: string
  readonly stream: string
  /** Entries that the stream keeps, about. */
  readonly maxLength: number
  /** Its retention. Default: the usual one. */
  readonly retention?: RetentionOptions
}

/** How it is. */
export interface SoakReport {
  /** Since the start. */
  readonly published: number
  /** Bytes, now. */
  readonly memory: number
  /** Since the start, in seconds. */
  readonly cpu: number
}

const { url, schema, redisUrl, stream, maxLength, retention } = JSON.parse(process.argv[2] ?? '{}') as SoakTask
const pool = new Pool({ connectionString: url, max: 4 })
const broadcaster = new Broadcaster({
  store: postgres({ pool, schema }),
  backends: { default: redisStreams({ url: redisUrl, stream, trim: { maxLength } }) },
})
let published = 0
onSignal('batch.settled', (settled) => void (published += settled.published))
const stopping = new Promise((resolve) => process.once('message', resolve))
await broadcaster.worker(retention === undefined ? {} : { retention }).start()
const telling = setInterval(() => {
  const { user, system } = process.cpuUsage()
  process.send?.({ published, memory: process.memoryUsage.rss(), cpu: (user + system) / 1e6 } satisfies SoakReport)
}, 500)
await stopping
clearInterval(telling)
await broadcaster.close()
await pool.end()
process.disconnect?.()
