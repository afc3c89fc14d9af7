/**
 * This package beside two job queues and beside a bare loop, from PostgreSQL to Redis Streams: events a second, CPU of all processes
 * for each event, memory. Each in a process of its own, all of them in turn in every round; what counts is the ratio within a round.
 *
 *     npm install --no-package-lock --prefix bench/peers
 *     npm run bench -- peers [--events 60000] [--rounds 5] [--arms ours,bare] [--json path] [--svg path] [--add]
 *
 * `--add` adds rounds to those of the JSON that is there. bench/README.md says what is unfair to whom.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { servers } from '../../test/support/servers.ts'
import { describeMachine, type Machine } from '../machine.ts'
import { median } from '../median.ts'
import { peersChart } from './chart.ts'
import { ARMS } from './contenders.ts'
import { type PeerRun, runArm } from './run.ts'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '60000' },
    rounds: { type: 'string', default: '5' },
    arms: { type: 'string', default: Object.keys(ARMS).join(',') },
    json: { type: 'string', default: 'bench/results/peers.json' },
    svg: { type: 'string' },
    add: { type: 'boolean', default: false },
  },
})
const server = servers.postgres()
if (server === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const events = Number(values.events)
const arms = values.arms.split(',')
const unknown = arms.find((arm) => ARMS[arm] === undefined)
if (unknown !== undefined) throw new Error(`there is no arm '${unknown}'; known are ${Object.keys(ARMS).join(', ')}`)

interface Report {
  readonly machine: Machine
  readonly events: number
  readonly runs: readonly PeerRun[]
}

/** The median over rounds, of one arm. */
export interface Line {
  readonly arm: string
  readonly label: string
  readonly eventsPerSecond: number
  readonly nodeCpu: number
  readonly postgresCpu: number
  readonly redisCpu: number
  readonly memory: number
  /** Medians of the ratios within each round; undefined where the other was not measured. */
  readonly ofPeer: number | undefined
  readonly ofBare: number | undefined
  readonly ofOurs: number | undefined
  readonly cpuOfBare: number | undefined
}

function summary(runs: readonly PeerRun[]): readonly Line[] {
  const rounds = [...Map.groupBy(runs, ({ round }) => round).values()]
  const cpu = (run: PeerRun): number => run.nodeCpu + run.postgresCpu + run.redisCpu
  const ratio = (
    arm: string,
    figure: (run: PeerRun) => number,
    other: (round: readonly PeerRun[]) => PeerRun | undefined,
  ): number | undefined => {
    const ratios = rounds.flatMap((round) => {
      const [one, against] = [round.find((run) => run.arm === arm), other(round)]
      return one === undefined || against === undefined ? [] : [figure(one) / figure(against)]
    })
    return ratios.length === 0 ? undefined : median(ratios)
  }
  const rate = (run: PeerRun): number => run.eventsPerSecond
  const called = (arm: string) => (round: readonly PeerRun[]) => round.find((run) => run.arm === arm)
  const bestPeer = (round: readonly PeerRun[]): PeerRun | undefined =>
    round.filter(({ arm }) => ARMS[arm]?.isPeer).toSorted((one, other) => rate(other) - rate(one))[0]
  return Object.entries(ARMS).flatMap(([arm, { label }]) => {
    const own = runs.filter((run) => run.arm === arm)
    if (own.length === 0) return []
    const of = (figure: (run: PeerRun) => number): number => median(own.map(figure))
    return {
      arm,
      label,
      eventsPerSecond: of(rate),
      nodeCpu: of((run) => run.nodeCpu),
      postgresCpu: of((run) => run.postgresCpu),
      redisCpu: of((run) => run.redisCpu),
      memory: of((run) => run.peakMemory),
      ofPeer: ratio(arm, rate, bestPeer),
      ofBare: ratio(arm, rate, called('bare')),
      ofOurs: ratio(arm, rate, called('ours')),
      cpuOfBare: ratio(arm, cpu, called('bare')),
    }
  })
}

function show(lines: readonly Line[]): void {
  console.log(
    '\nmedians                                      events/s  x peer  x bare  x ours   CPU us: node + pg + redis  x bare     RSS',
  )
  for (const line of lines) {
    const x = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(2)).padStart(8)
    const { nodeCpu, postgresCpu, redisCpu } = line
    const parts = [nodeCpu, postgresCpu, redisCpu].map((value) => value.toFixed(0)).join(' + ')
    console.log(
      `${line.label.padEnd(43)}${Math.round(line.eventsPerSecond).toLocaleString('en').padStart(10)}` +
        x(line.ofPeer) +
        x(line.ofBare) +
        x(line.ofOurs) +
        `${parts} = ${(nodeCpu + postgresCpu + redisCpu).toFixed(0)}`.padStart(28) +
        x(line.cpuOfBare) +
        `${Math.round(line.memory / 2 ** 20)} MB`.padStart(8),
    )
  }
}

const pool = new Pool({ connectionString: server.url, max: 4 })
const redis = createClient({ url: redisUrl })
await redis.connect()
try {
  const earlier =
    values.add && existsSync(values.json) ? (JSON.parse(readFileSync(values.json, 'utf8')) as Report) : undefined
  if (earlier !== undefined && earlier.events !== events)
    throw new Error(`${values.json} is of ${earlier.events} events`)
  const machine = await describeMachine(pool, redis)
  const runs = [...(earlier?.runs ?? [])]
  const first = Math.max(0, ...runs.map(({ round }) => round)) + 1
  console.log(
    `PostgreSQL ${machine.postgres} -> Redis ${machine.redis} streams, ${events} events of 300 bytes, Node ${machine.node}\n`,
  )
  for (let round = first; round < first + Number(values.rounds); round++) {
    // Another one begins each time.
    const from = round % arms.length
    for (const arm of [...arms.slice(from), ...arms.slice(0, from)]) {
      const run = await runArm({ pool, url: server.url, redis, redisUrl }, arm, round, events)
      runs.push(run)
      const cpu = [run.nodeCpu, run.postgresCpu, run.redisCpu].map((value) => value.toFixed(1)).join(' + ')
      const rate = Math.round(run.eventsPerSecond).toLocaleString('en')
      console.log(`${String(round).padStart(3)}  ${arm.padEnd(10)}${rate.padStart(8)} events/s   ${cpu} us`)
    }
    mkdirSync(dirname(values.json), { recursive: true })
    writeFileSync(values.json, `${JSON.stringify({ machine, events, runs } satisfies Report, undefined, 2)}\n`)
  }
  const lines = summary(runs)
  show(lines)
  console.log(`\nwritten to ${values.json}`)
  if (values.svg !== undefined) writeFileSync(values.svg, peersChart(lines, machine))
} finally {
  redis.destroy()
  await pool.end()
}
