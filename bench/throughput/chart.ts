import { type Bar, bars } from '../bars.ts'
import type { Latency } from './latency.ts'
import type { Run } from './task.ts'

const WIDTH = 760
const LEFT = 190
const COLOURS = { relay: '#4063d8', postgres: '#389826', redis: '#cb3c33' } as const

/** Two bar charts as one SVG: events a second, and where the CPU of one event goes. */
export function chart(runs: readonly Run[], latency: Latency, ratio: number): string {
  const names = { ours: 'ts-broadcaster', seed: 'one event at a time' } as const
  const best = (['ours', 'seed'] as const).map((algorithm) => {
    const own = runs.filter((run) => run.algorithm === algorithm)
    return own.toSorted((one, other) => one.eventsPerSecond - other.eventsPerSecond)[Math.floor(own.length / 2)]
  })
  const shown = best.filter((run) => run !== undefined)
  const rates = shown.map(
    (run): Bar => ({
      label: names[run.algorithm],
      parts: [{ value: run.eventsPerSecond, colour: COLOURS.relay }],
      text: Math.round(run.eventsPerSecond).toLocaleString('en'),
    }),
  )
  const cpu = shown.map((run): Bar => {
    const parts = { relay: run.relayCpu, postgres: run.storeCpu ?? 0, redis: run.redisCpu ?? 0 }
    const sum = parts.relay + parts.postgres + parts.redis
    return {
      label: names[run.algorithm],
      parts: Object.entries(parts).map(([name, value]) => ({ value, colour: COLOURS[name as keyof typeof COLOURS] })),
      text: `${sum < 100 ? sum.toFixed(0) : Math.round(sum).toLocaleString('en')} us`,
    }
  })
  const ms = (value: number): string => `${value.toFixed(0)} ms`
  const lines = [
    ...bars(40, `Events a second, PostgreSQL to Redis Streams (${ratio.toFixed(0)} x)`, rates, LEFT, WIDTH),
    ...bars(140, 'CPU of one event: relay, PostgreSQL, Redis', cpu, LEFT, WIDTH),
    ...Object.entries(COLOURS).flatMap(([name, colour], n) => [
      `<rect x="${LEFT + n * 110}" y="218" width="12" height="12" fill="${colour}"/>`,
      `<text x="${LEFT + n * 110 + 18}" y="229">${name === 'postgres' ? 'PostgreSQL' : name === 'redis' ? 'Redis' : 'relay'}</text>`,
    ]),
    `<text x="10" y="258">Latency from before the transaction to the reader at ${latency.rate} events/s: p50 ${ms(latency.p50)}, p95 ${ms(latency.p95)}, p99 ${ms(latency.p99)}</text>`,
  ]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="270" viewBox="0 0 ${WIDTH} 270" font-family="sans-serif" font-size="13">`,
    '<title>Events a second and CPU of one event, ts-broadcaster beside one event at a time</title>',
    `<rect width="${WIDTH}" height="270" fill="#ffffff"/>`,
    ...lines,
    '</svg>',
    '',
  ].join('\n')
}
