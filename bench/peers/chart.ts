import { type Bar, bars } from '../bars.ts'
import type { Machine } from '../machine.ts'
import type { Line } from './peers.ts'

const WIDTH = 860
const LEFT = 300
const COLOURS = { node: '#4063d8', PostgreSQL: '#389826', Redis: '#cb3c33' } as const

/** Events a second, and where the CPU of one event goes, for each arm. */
export function peersChart(lines: readonly Line[], machine: Machine): string {
  const rates = lines.map(
    ({ label, eventsPerSecond, ofPeer }): Bar => ({
      label,
      parts: [{ value: eventsPerSecond, colour: COLOURS.node }],
      text:
        Math.round(eventsPerSecond).toLocaleString('en') + (ofPeer === undefined ? '' : ` (${ofPeer.toFixed(2)} x)`),
    }),
  )
  const cpu = lines.map(({ label, nodeCpu, postgresCpu, redisCpu }): Bar => {
    const parts = { node: nodeCpu, PostgreSQL: postgresCpu, Redis: redisCpu }
    return {
      label,
      parts: Object.entries(parts).map(([name, value]) => ({ value, colour: COLOURS[name as keyof typeof COLOURS] })),
      text: `${(nodeCpu + postgresCpu + redisCpu).toFixed(0)} us`,
    }
  })
  const second = 30 + lines.length * 30 + 40
  const key = second + lines.length * 30 + 30
  const where = `Node ${machine.node}, PostgreSQL ${machine.postgres}, Redis ${machine.redis}, ${machine.cores} cores, ${machine.at.slice(0, 10)}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${key + 50}" viewBox="0 0 ${WIDTH} ${key + 50}" font-family="sans-serif" font-size="13">`,
    '<title>Events a second and CPU of one event, ts-broadcaster beside job queues and a bare loop</title>',
    `<rect width="${WIDTH}" height="${key + 50}" fill="#ffffff"/>`,
    ...bars(30, 'Events a second, PostgreSQL to Redis Streams (x the faster job queue)', rates, LEFT, WIDTH - 40),
    ...bars(second, 'CPU of one event', cpu, LEFT, WIDTH - 40),
    ...Object.entries(COLOURS).flatMap(([name, colour], n) => [
      `<rect x="${LEFT + n * 110}" y="${key}" width="12" height="12" fill="${colour}"/>`,
      `<text x="${LEFT + n * 110 + 18}" y="${key + 11}">${name}</text>`,
    ]),
    `<text x="10" y="${key + 38}">${where}</text>`,
    '</svg>',
    '',
  ].join('\n')
}
