import { duration, integer, nested, number, required } from '../foundation/option-kinds.ts'
import type { Option, OptionsOf, Refuse } from '../foundation/option-table.ts'
import { showValue } from '../foundation/problem.ts'

export const RATE_PARTS = {
  /** How many events, 0.001 to 1,000,000; needed. */
  events: required(number(undefined, { min: 0.001, max: 1_000_000 })),
  /** In how much time, in milliseconds, 1 to 86,400,000 (a day); needed. */
  per: required(duration(undefined, { min: 1, max: 86_400_000 })),
  /**
   * How many may go at once after a pause, 1 to 1,000,000; in any time go at most `burst` more than the rate allows. Default: what
   * 100 ms hold, at least 1.
   */
  burst: integer(undefined, { min: 1, max: 1_000_000 }),
}
/** A rate in parts, for a `burst` of your own. */
export type RateParts = OptionsOf<typeof RATE_PARTS>

/** How fast events may go: `'50/s'`, `'3000/min'` (also `h` and `d`), a number of events a second, or `{ events, per, burst }`. */
export type SendRate = string | number | RateParts

/** A rate that was checked. It is a `SendRate` itself. */
export interface ResolvedRate {
  readonly events: number
  /** Milliseconds. */
  readonly per: number
  readonly burst: number
}

/** Milliseconds of each word that may stand behind the slash. */
const TIMES: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
/** Without a burst of its own a rate is kept within each time of this length, in ms. */
const BURST_TIME = 100
/** The shortest and the longest time from one event to the next, in ms. */
const [SHORTEST, LONGEST] = [0.001, 86_400_000]
const WANTED = "'50/s', '3000/min', a number of events a second, or { events, per, burst }"

/** An option that is a rate; its default is no limit. */
export function rateOption(): Option<SendRate, ResolvedRate | undefined> {
  const parts = nested(RATE_PARTS)
  const read = (value: unknown, refuse: Refuse): ResolvedRate | undefined => {
    let isRefused = false
    const refuseOnce: Refuse = (message, details) => {
      isRefused = true
      refuse(message, details)
    }
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    const { events, per, burst } = isObject ? parts.read(value, refuseOnce) : readShort(value, refuseOnce)
    if (isRefused || events === undefined || per === undefined) return undefined
    const interval = per / events
    if (interval < SHORTEST || interval > LONGEST) {
      refuse(`is ${showValue(value)}; give a rate between one a day and 1,000,000 a second`, { value })
      return undefined
    }
    return Object.freeze({ events, per, burst: burst ?? Math.max(1, Math.floor(BURST_TIME / interval + 1e-9)) })
  }
  return { wanted: WANTED, fallback: undefined, read }
}

interface Short {
  readonly events?: number
  readonly per?: number
  readonly burst?: undefined
}

/** A rate as a text or a number. */
function readShort(value: unknown, refuse: Refuse): Short {
  const shown = showValue(value)
  const [whole, amount, time] = /^\s*([-+]?[\d.]+)\s*(?:\/\s*(\S*)\s*)?$/.exec(String(value)) ?? []
  const events = typeof value === 'number' ? value : Number(amount)
  if ((typeof value !== 'number' && typeof value !== 'string') || whole === undefined || !Number.isFinite(events)) {
    refuse(`is ${shown}; give ${WANTED}`, { value })
    return {}
  }
  if (events <= 0) {
    refuse(`is ${shown}, and nothing would go; give a rate above 0, or pause the backend`, { value })
    return {}
  }
  if (typeof value === 'number') return { events, per: 1_000 }
  const per = time === undefined || !Object.hasOwn(TIMES, time) ? undefined : TIMES[time]
  if (per !== undefined) return { events, per }
  const what = time ? `'${time}' is no time` : 'it does not say in which time'
  refuse(`is ${shown}, and ${what}; give '${amount}/s', '${amount}/min', '${amount}/h' or '${amount}/d'`, { value })
  return {}
}

/** What is wrong with a rate, as its messages say it; empty = nothing. */
export function rateProblems(rate: unknown): readonly string[] {
  const messages: string[] = []
  if (rate !== undefined)
    rateOption().read(rate, (message, { at = '' } = {}) =>
      messages.push(at ? `has ${at.slice(1)}, which ${message}` : message),
    )
  return messages
}

/** Undefined for none, and for one that does not fit. */
export function resolveRate(rate: SendRate | undefined): ResolvedRate | undefined {
  return rate === undefined ? undefined : rateOption().read(rate, () => undefined)
}

/** For people: `50/s`, `3,000/min`, `10 in 250 ms`. */
export function showRate({ events, per }: Pick<ResolvedRate, 'events' | 'per'>): string {
  const time = Object.keys(TIMES).find((name) => TIMES[name] === per)
  return time === undefined
    ? `${events.toLocaleString('en')} in ${per.toLocaleString('en')} ms`
    : `${events.toLocaleString('en')}/${time}`
}
