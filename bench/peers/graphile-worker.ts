import { Pool } from 'pg'
import { entryWriter } from './entry.ts'
import { type BenchEvent, type Contender, fillInParts, KEYS } from './task.ts'

/** What we call of it; installed in this folder only (bench/README.md). */
interface GraphileWorker {
  run(options: object): Promise<{ stop(): Promise<void> }>
  makeWorkerUtils(options: object): Promise<{ migrate(): Promise<void>; release(): Promise<void> }>
  readonly Logger: new (factory: () => () => void) => object
}

interface Helpers {
  readonly job: { readonly id: string; readonly created_at: Date }
}

const NAME = 'graphile-worker'
const load = async (): Promise<GraphileWorker> => (await import(NAME)) as GraphileWorker

/** As its page on performance says for throughput: a local queue, many jobs at once, completions by the batch. */
export const graphileWorker: Contender = {
  async fill(pool, task) {
    const { makeWorkerUtils, Logger } = await load()
    const utils = await makeWorkerUtils({
      pgPool: pool,
      schema: task.schema,
      logger: new Logger(() => () => undefined),
    })
    await utils.migrate()
    await utils.release()
    await fillInParts(task, KEYS, (part) =>
      pool.query(
        `SELECT count(*) FROM ${task.schema}.add_jobs(ARRAY(
           SELECT json_populate_record(NULL::${task.schema}.job_spec, json_build_object('identifier', 'send', 'payload', event))
           FROM json_array_elements($1::json) AS event))`,
        [JSON.stringify(part)],
      ),
    )
  },

  async open({ url, schema, redisUrl, stream, events }, delivered) {
    const { run, Logger } = await load()
    const pool = new Pool({ connectionString: url, max: 12 })
    pool.on('error', console.error)
    pool.on('connect', (client) => client.on('error', console.error))
    const writer = await entryWriter(redisUrl, stream)
    let sent = 0
    let runner: { stop(): Promise<void> } | undefined
    /** All are sent; they are through when none is left in its table. */
    const settled = async (): Promise<void> => {
      const left = `SELECT 1 FROM ${schema}._private_jobs LIMIT 1`
      while ((await pool.query(left)).rows.length > 0) await new Promise((resolve) => setTimeout(resolve, 5))
      delivered(events)
    }
    return {
      async start() {
        runner = await run({
          pgPool: pool,
          noHandleSignals: true,
          // A line for each job would be most of what it does.
          logger: new Logger(() => () => undefined),
          preset: {
            worker: {
              schema,
              concurrentJobs: 100,
              localQueue: { size: 500 },
              completeJobBatchDelay: 0,
              failJobBatchDelay: 0,
            },
          },
          taskList: {
            send: async (event: BenchEvent, { job }: Helpers) => {
              await writer.add(job.id, event, job.created_at)
              if (++sent === events) void settled()
            },
          },
        })
      },
      async close() {
        await runner?.stop()
        writer.close()
        await pool.end()
      },
    }
  },
}
