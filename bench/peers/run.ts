import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Pool } from 'pg'
import { serverCpu } from '../throughput/cpu.ts'
import { ALL_ARMS } from './contenders.ts'
import type { PeerReport, PeerTask, Progress } from './task.ts'

/** One arm in one round. CPU in microseconds for each event; NaN where it cannot be read. */
export interface PeerRun {
  readonly arm: string
  readonly round: number
  readonly eventsPerSecond: number
  readonly nodeCpu: number
  readonly postgresCpu: number
  readonly redisCpu: number
  /** Bytes, of all its processes. */
  readonly peakMemory: number
}

interface Places {
  readonly pool: Pool
  readonly url: string
  readonly redis: { del(key: string): Promise<unknown>; xLen(key: string): Promise<number> }
  readonly redisUrl: string
}

/** How long a run may take, in ms. */
const PATIENCE = 120_000

/** Fills a schema for the arm, has its processes empty it, and measures that. */
export async function runArm(places: Places, arm: string, round: number, events: number): Promise<PeerRun> {
  const { pool, url, redis, redisUrl } = places
  const schema = `peers_${randomBytes(4).toString('hex')}`
  const stream = `bench_${schema}`
  const task: PeerTask = { arm, url, schema, redisUrl, stream, events }
  const { contender, processes = 1 } = ALL_ARMS[arm] ?? {}
  if (contender === undefined)
    throw new Error(`there is no arm '${arm}'; known are ${Object.keys(ALL_ARMS).join(', ')}`)
  try {
    await pool.query(`CREATE SCHEMA ${schema}`)
    await contender.fill(pool, task)
    const { rows } = await pool.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = $1`,
      [schema],
    )
    for (const { name } of rows) await pool.query(`VACUUM ANALYZE ${name}`)
    await pool.query('CHECKPOINT')
    const measured = await drain(task, processes)
    const length = await redis.xLen(stream)
    if (length < events) throw new Error(`${arm}: ${events} events, and the stream has ${length}`)
    if (length > events) console.error(`${arm}: ${length - events} events were sent twice`)
    return { arm, round, ...measured }
  } finally {
    await redis.del(stream)
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  }
}

const now = (): number => performance.timeOrigin + performance.now()

async function drain(task: PeerTask, processes: number): Promise<Omit<PeerRun, 'arm' | 'round'>> {
  const { events } = task
  const children = Array.from({ length: processes }, () =>
    fork(new URL('./peer-process.ts', import.meta.url), [JSON.stringify(task)]),
  )
  try {
    await Promise.all(children.map((child) => next(child)))
    const before = [serverCpu('postgres'), serverCpu('redis-server')] as const
    const start = now()
    const all = deliveredBy(children, events)
    for (const child of children) child.send('go')
    const end = await all
    const after = [serverCpu('postgres'), serverCpu('redis-server')] as const
    const reports = await Promise.all(
      children.map(async (child) => {
        const report = next(child) as Promise<PeerReport>
        child.send('stop')
        const read = await report
        if (child.exitCode === null) await once(child, 'exit')
        return read
      }),
    )
    const each = (seconds: number): number => (seconds / events) * 1e6
    const sum = (of: 'cpuSeconds' | 'peakMemory'): number => reports.reduce((total, report) => total + report[of], 0)
    return {
      eventsPerSecond: events / ((end - start) / 1_000),
      nodeCpu: each(sum('cpuSeconds')),
      postgresCpu: each((after[0] ?? Number.NaN) - (before[0] ?? Number.NaN)),
      redisCpu: each((after[1] ?? Number.NaN) - (before[1] ?? Number.NaN)),
      peakMemory: sum('peakMemory'),
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

/** Resolves with the time at which the last of so many events was recorded. */
function deliveredBy(children: readonly ChildProcess[], events: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const counts = children.map((): Progress => ({ delivered: 0, at: 0 }))
    const timer = setTimeout(() => reject(new Error(`not delivered within ${PATIENCE / 1_000} s`)), PATIENCE)
    for (const [n, child] of children.entries()) {
      child.once('exit', (code) => reject(new Error(`a relay process ended with ${code}`)))
      const listen = (progress: Progress): void => {
        counts[n] = progress
        if (counts.reduce((sum, { delivered }) => sum + delivered, 0) < events) return
        clearTimeout(timer)
        for (const one of children) one.removeAllListeners('message')
        resolve(Math.max(...counts.map(({ at }) => at)))
      }
      child.on('message', listen)
    }
  })
}

/** The next message other than one of progress. */
function next(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const listen = (message: unknown): void => {
      if (typeof message === 'object' && message !== null && 'delivered' in message) return
      child.off('message', listen)
      child.off('exit', gone)
      resolve(message)
    }
    const gone = (code: number | null): void => reject(new Error(`a relay process ended with ${code}`))
    child.on('message', listen)
    child.once('exit', gone)
  })
}
