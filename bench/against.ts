/**
 * This checkout against another commit, A B A B in one run: `npm run bench -- against <commit>`. Each side runs its own
 * `throughput`, in turn first and second, and what counts is the ratio within each pair.
 *
 *     npm run bench -- against HEAD~20 [--pairs 7] [--store postgres] [--events 40000] [--seconds 5] [--at-least 0.97]
 *                                      [--same-bench]   # that commit measured by this checkout's bench/, when it has changed
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Latency } from './throughput/latency.ts'
import type { Run } from './throughput/task.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: 'string', default: '7' },
    store: { type: 'string', default: 'postgres' },
    events: { type: 'string', default: '40000' },
    seconds: { type: 'string', default: '5' },
    'at-least': { type: 'string', default: '0.97' },
    'same-bench': { type: 'boolean', default: false },
  },
})
const [commit] = positionals
if (commit === undefined) throw new Error('name the commit to compare with: npm run bench -- against <commit>')

const here = dirname(import.meta.dirname)
const scratch = mkdtempSync(join(tmpdir(), 'broadcaster-against-'))
const there = join(scratch, 'checkout')

interface Figures {
  readonly eventsPerSecond: number
  /** Of relay, store and broker; microseconds for each event. */
  readonly cpu: number
  /** Median; milliseconds. */
  readonly latency: number
}

function measure(checkout: string): Figures {
  const json = join(scratch, 'report.json')
  const sizes = ['--store', values.store, '--events', values.events, '--seconds', values.seconds]
  const flags = [...sizes, '--pairs', '1', '--seed-events', '200', '--json', json]
  // Whether it is 40 times the seed's algorithm is not the question here.
  const script = ['--conditions=ts-broadcaster-source', join(checkout, 'bench/main.ts'), 'throughput', ...flags]
  try {
    execFileSync(process.execPath, script, { cwd: checkout, stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    if ((error as { readonly status?: unknown }).status !== 1) throw error
  }
  const { runs, latency } = JSON.parse(readFileSync(json, 'utf8')) as { runs: readonly Run[]; latency: Latency }
  rmSync(json)
  const ours = runs.find(({ algorithm }) => algorithm === 'ours')
  if (ours === undefined) throw new Error(`${checkout} has measured nothing`)
  const cpu = ours.relayCpu + (ours.storeCpu ?? 0) + (ours.redisCpu ?? 0)
  return { eventsPerSecond: ours.eventsPerSecond, cpu, latency: latency.p50 }
}

const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2
}

execFileSync('git', ['worktree', 'add', '--quiet', '--detach', there, commit], { cwd: here, stdio: 'inherit' })
try {
  symlinkSync(join(here, 'node_modules'), join(there, 'node_modules'))
  if (values['same-bench']) {
    rmSync(join(there, 'bench'), { recursive: true })
    cpSync(join(here, 'bench'), join(there, 'bench'), { recursive: true })
  }
  console.log(`here / ${commit}, ${values.store} -> Redis Streams, ${values.events} events\n`)
  console.log('pair  events/s               ratio     CPU   ratio     p50   ratio')
  const ratios: Figures[] = []
  for (let pair = 1; pair <= Number(values.pairs); pair++) {
    const first = pair % 2 === 1 ? here : there
    const [one, other] = [measure(first), measure(first === here ? there : here)]
    const [ours, theirs] = first === here ? [one, other] : [other, one]
    const ratio = {
      eventsPerSecond: ours.eventsPerSecond / theirs.eventsPerSecond,
      cpu: ours.cpu / theirs.cpu,
      latency: ours.latency / theirs.latency,
    }
    ratios.push(ratio)
    const rates = `${Math.round(ours.eventsPerSecond)} / ${Math.round(theirs.eventsPerSecond)}`
    console.log(
      `${String(pair).padStart(4)}  ${rates.padEnd(22)}${ratio.eventsPerSecond.toFixed(2).padStart(6)}` +
        `${ours.cpu.toFixed(0).padStart(8)}${ratio.cpu.toFixed(2).padStart(8)}` +
        `${ours.latency.toFixed(1).padStart(8)}${ratio.latency.toFixed(2).padStart(8)}`,
    )
  }
  const rate = median(ratios.map(({ eventsPerSecond }) => eventsPerSecond))
  const cpu = median(ratios.map((each) => each.cpu))
  const latency = median(ratios.map((each) => each.latency))
  console.log(`\nmedian of ${ratios.length}: rate ${rate.toFixed(3)}, CPU ${cpu.toFixed(3)}, p50 ${latency.toFixed(3)}`)
  if (rate < Number(values['at-least'])) {
    console.error(`the rate is below ${values['at-least']} of that of ${commit}`)
    process.exitCode = 1
  }
} finally {
  execFileSync('git', ['worktree', 'remove', '--force', there], { cwd: here, stdio: 'inherit' })
  rmSync(scratch, { recursive: true, force: true })
}
