/** The worker of a soak, in a process of its own. Reports ten times a second until `stop`. */
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import type { SoakReport, SoakTask } from './soak-task.ts'

const { url, schema, redisUrl, stream, maxLength, retention } = JSON.parse(process.argv[2] ?? '{}') as SoakTask
const pool = new Pool({ connectionString: url, max: 4 })
const store = postgres({ pool, schema })
let longestPurge = 0
for (const name of ['walk', 'remove', 'census'] as const) timed(store.retention, name)
const broadcaster = new Broadcaster({
  store,
  backends: { default: redisStreams({ url: redisUrl, stream, trim: { maxLength } }) },
})
let published = 0
let purged = 0
onSignal('batch.settled', (settled) => void (published += settled.published))
onSignal('events.purged', ({ count }) => void (purged += count))
const stopping = new Promise((resolve) => process.once('message', resolve))
await broadcaster.worker(retention === undefined ? {} : { retention }).start()
const telling = setInterval(() => {
  const { user, system } = process.cpuUsage()
  const report: SoakReport = {
    ...{ published, memory: process.memoryUsage.rss(), cpu: (user + system) / 1e6 },
    ...{ purged, longestPurge },
  }
  process.send?.(report)
}, 100)
await stopping
clearInterval(telling)
await broadcaster.close()
await pool.end()
process.disconnect?.()

/** Remembers how long each call of this took. */
function timed<Name extends string>(store: Record<Name, (...args: never[]) => Promise<unknown>>, name: Name): void {
  const call = store[name].bind(store) as (...args: unknown[]) => Promise<unknown>
  Object.assign(store, {
    [name]: async (...args: unknown[]) => {
      const start = performance.now()
      try {
        return await call(...args)
      } finally {
        longestPurge = Math.max(longestPurge, performance.now() - start)
      }
    },
  })
}
