/**
 * What each option of the worker does to a drain, PostgreSQL to Redis Streams: this package with one option changed at a time, all in
 * turn in every round; what counts is the median of the ratios to the defaults within a round.
 *
 *     npm run bench -- options [--events 40000] [--rounds 3] [--arms defaults,batch-500] [--json path] [--add]
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { servers } from '../test/support/servers.ts'
import { describeMachine } from './machine.ts'
import { median } from './median.ts'
import { OPTION_ARMS } from './peers/contenders.ts'
import { type PeerRun, runArm } from './peers/run.ts'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '40000' },
    rounds: { type: 'string', default: '3' },
    arms: { type: 'string', default: Object.keys(OPTION_ARMS).join(',') },
    json: { type: 'string', default: 'bench/results/options.json' },
    add: { type: 'boolean', default: false },
  },
})
const server = servers.postgres()
if (server === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const arms = values.arms.split(',')
const pool = new Pool({ connectionString: server.url, max: 4 })
const redis = createClient({ url: redisUrl })
await redis.connect()
const cpuOf = (run: PeerRun): number => run.nodeCpu + run.postgresCpu + run.redisCpu

try {
  const machine = await describeMachine(pool, redis)
  const earlier = values.add && existsSync(values.json) ? JSON.parse(readFileSync(values.json, 'utf8')).runs : []
  const runs: PeerRun[] = [...earlier]
  mkdirSync(dirname(values.json), { recursive: true })
  const first = Math.max(0, ...runs.map(({ round }) => round)) + 1
  for (let round = first; round < first + Number(values.rounds); round++) {
    const from = round % arms.length
    for (const arm of [...arms.slice(from), ...arms.slice(0, from)]) {
      runs.push(await runArm({ pool, url: server.url, redis, redisUrl }, arm, round, Number(values.events)))
    }
    writeFileSync(values.json, `${JSON.stringify({ machine, runs }, undefined, 2)}\n`)
  }
  const ratio = (arm: string, figure: (run: PeerRun) => number): number =>
    median(
      runs.flatMap((run) => {
        const base = runs.find((other) => other.round === run.round && other.arm === 'defaults')
        return run.arm === arm && base !== undefined ? [figure(run) / figure(base)] : []
      }),
    )
  console.log(`${''.padEnd(36)}  events/s  ratio   CPU us  ratio  RSS MB`)
  for (const [arm, { label }] of Object.entries(OPTION_ARMS)) {
    const own = runs.filter((run) => run.arm === arm)
    if (own.length === 0) continue
    const rate = Math.round(median(own.map((run) => run.eventsPerSecond))).toLocaleString('en')
    console.log(
      label.padEnd(36) +
        rate.padStart(10) +
        ratio(arm, (run) => run.eventsPerSecond)
          .toFixed(2)
          .padStart(7) +
        median(own.map(cpuOf)).toFixed(1).padStart(9) +
        ratio(arm, cpuOf).toFixed(2).padStart(7) +
        Math.round(median(own.map((run) => run.peakMemory)) / 2 ** 20)
          .toString()
          .padStart(8),
    )
  }
} finally {
  redis.destroy()
  await pool.end()
}
