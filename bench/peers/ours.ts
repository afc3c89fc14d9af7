import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import type { WorkerOptions } from '../../src/relay/worker-options.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { type Contender, fillInParts, KEYS, STREAM_LENGTH } from './task.ts'

/** This package. `ioredis`: the client is injected, or it is our own (node-redis). */
export function ours({
  keys = KEYS,
  ioredis = false,
  worker = {},
}: {
  keys?: number
  ioredis?: boolean
  worker?: WorkerOptions
} = {}): Contender {
  return {
    async fill(pool, task) {
      const store = postgres({ pool, schema: task.schema })
      const broadcaster = new Broadcaster({ store, backends: { default: eachEvent(() => undefined) } })
      await broadcaster.store.schema.migrate()
      await fillInParts(task, keys, (part) => broadcaster.transaction((tx) => broadcaster.publishMany(tx, [...part])))
      await broadcaster.close()
    },

    async open({ url, schema, redisUrl, stream }, delivered) {
      const pool = new Pool({ connectionString: url, max: 4 })
      const client = ioredis
        ? new Redis(redisUrl, { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, lazyConnect: true })
        : undefined
      await client?.connect()
      const where = client === undefined ? { url: redisUrl } : { client }
      const broadcaster = new Broadcaster({
        store: postgres({ pool, schema }),
        backends: { default: redisStreams({ ...where, stream, trim: { maxLength: STREAM_LENGTH } }) },
        worker,
      })
      await broadcaster.store.schema.check()
      // A listener of `event.published` has every row read once more; this one has nothing read.
      onSignal('batch.settled', ({ published }) => delivered(published))
      return {
        async start() {
          await broadcaster.worker().start()
        },
        async close() {
          await broadcaster.close()
          client?.disconnect()
          await pool.end()
        },
      }
    },
  }
}
