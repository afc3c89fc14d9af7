import { entryWriter } from './entry.ts'
import { type BenchEvent, type Contender, fillInParts, KEYS, type PeerTask } from './task.ts'

interface Job {
  readonly id: string
  readonly data: BenchEvent & { readonly at: string }
}

/** What we call of it; installed in this folder only (bench/README.md). */
interface Boss {
  start(): Promise<unknown>
  stop(options: object): Promise<void>
  createQueue(name: string, options?: object): Promise<void>
  insert(queue: string, jobs: readonly object[]): Promise<unknown>
  work(queue: string, options: object, handler: (jobs: readonly Job[]) => Promise<void>): Promise<string>
  on(event: 'error', listener: (error: unknown) => void): unknown
  getDb(): { executeSql(text: string): Promise<{ rows: readonly { readonly count: string }[] }> }
}

const NAME = 'pg-boss'
const QUEUE = 'events'

async function boss({ url, schema }: PeerTask): Promise<Boss> {
  const { PgBoss } = (await import(NAME)) as { PgBoss: new (options: object) => Boss }
  const made = new PgBoss({ connectionString: url, schema, supervise: false, schedule: false, max: 4 })
  made.on('error', console.error)
  await made.start()
  return made
}

/** 1,000 jobs a batch, two batches at once, the next fetched as soon as one was full. */
export const pgBoss: Contender = {
  async fill(_pool, task) {
    const filling = await boss(task)
    await filling.createQueue(QUEUE)
    const at = new Date().toISOString()
    await fillInParts(task, KEYS, (part) =>
      filling.insert(
        QUEUE,
        part.map((event) => ({ data: { ...event, at } })),
      ),
    )
    await filling.stop({ graceful: false })
  },

  async open(task, delivered) {
    const working = await boss(task)
    const writer = await entryWriter(task.redisUrl, task.stream)
    let sent = 0
    const settled = async (): Promise<void> => {
      const left = `SELECT count(*) FROM ${task.schema}.job WHERE name = '${QUEUE}' AND state <> 'completed'`
      while ((await working.getDb().executeSql(left)).rows[0]?.count !== '0')
        await new Promise((resolve) => setTimeout(resolve, 5))
      delivered(task.events)
    }
    return {
      async start() {
        const options = { batchSize: 1_000, burstWhenBatchFull: true, localConcurrency: 2 }
        await working.work(QUEUE, { ...options, pollingIntervalSeconds: 0.5 }, async (jobs) => {
          await Promise.all(jobs.map(({ id, data }) => writer.add(id, data, new Date(data.at))))
          if ((sent += jobs.length) === task.events) void settled()
        })
      },
      async close() {
        await working.stop({ graceful: false })
        writer.close()
      },
    }
  },
}
