/**
 * Writes docs/retry-schedule.svg and the table of docs/guarantees.md: when an event that fails again and again is tried.
 *
 *   node scripts/retry-schedule.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { DEFAULT_RETRIES, retryDelay } from '../src/foundation/retry-policy.ts'

const WIDTH = 720
const ROW = 70
const LEFT = 130
const RIGHT = 20
/** The axis is logarithmic, from 0.5 s to 3 days. */
const FROM = 0.5
const TO = 3 * 86_400

export interface Schedule {
  readonly name: string
  /** Seconds from the first attempt to each retry, soonest and latest. */
  readonly retries: readonly (readonly [soonest: number, latest: number])[]
}

/** When each retry comes, by the worker's default and by Django's schedule. */
export function schedules(): readonly Schedule[] {
  const upTo = (count: number, delay: (n: number, random: number) => number) =>
    Array.from({ length: count }, (_, last) => {
      const sum = (random: number): number =>
        Array.from({ length: last + 1 }, (_, n) => delay(n + 1, random)).reduce((total, one) => total + one, 0) / 1_000
      return [sum(0), sum(1)] as const
    })
  return [
    { name: 'default', retries: upTo(DEFAULT_RETRIES, (n, random) => retryDelay({}, n, random)) },
    { name: "retry: 'django'", retries: upTo(DEFAULT_RETRIES, (n, random) => retryDelay('django', n, random)) },
  ]
}

/** A duration for people. */
function shown(seconds: number): string {
  if (seconds < 120) return `${Number(seconds.toPrecision(3))} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800
    ? `${Number((seconds / 3_600).toPrecision(2))} h`
    : `${Number((seconds / 86_400).toPrecision(2))} d`
}

export function table(): string {
  const [own, django] = schedules()
  const rows = (own?.retries ?? []).map(([soonest, latest], n) => {
    const [at = 0] = django?.retries[n] ?? []
    return `| ${n + 1} | ${shown(soonest)} to ${shown(latest)} | ${shown(at)} |`
  })
  return ["| Retry | by default, after the first attempt | with `retry: 'django'` |", '|---|---|---|', ...rows].join(
    '\n',
  )
}

export function plot(): string {
  const x = (seconds: number): number =>
    Math.round(
      LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(Math.max(FROM, Math.min(TO, seconds)) / FROM)) / Math.log(TO / FROM),
    )
  const all = schedules()
  const height = 60 + ROW * all.length
  const ticks = [1, 10, 60, 600, 1_800, 3_600, 21_600, 86_400].map(
    (seconds) =>
      `<line x1="${x(seconds)}" y1="20" x2="${x(seconds)}" y2="${height - 30}" stroke="#ddd"/>` +
      `<text x="${x(seconds)}" y="${height - 12}" text-anchor="middle">${shown(seconds)}</text>`,
  )
  const rows = all.map(({ name, retries }, row) => {
    const y = 55 + ROW * row
    const marks = retries.map(([soonest, latest]) => {
      const width = Math.max(3, x(latest) - x(soonest))
      return `<rect x="${x(soonest)}" y="${y - 9}" width="${width}" height="18" rx="2" fill="#2563eb" fill-opacity="0.45"/>`
    })
    return `<text x="${LEFT - 10}" y="${y + 4}" text-anchor="end">${name}</text>${marks.join('')}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    '<title>When an event that fails again and again is tried, from its first attempt on</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...ticks,
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}

/** The page with the table between its marks renewed. */
export function withTable(page: string): string {
  return page.replace(
    /<!-- retry-schedule -->[\s\S]*?<!-- end -->/,
    () => `<!-- retry-schedule -->\n${table()}\n<!-- end -->`,
  )
}

if (import.meta.main) {
  const page = new URL('../docs/guarantees.md', import.meta.url)
  writeFileSync(new URL('../docs/retry-schedule.svg', import.meta.url), plot())
  writeFileSync(page, withTable(readFileSync(page, 'utf8')))
}
