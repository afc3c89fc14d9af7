import { isStorableDate } from '../storable-date.ts'
import type { TermValue } from './terms.ts'

/** From when to when, each end included or not; undefined = open. */
export interface Span {
  readonly from?: { readonly at: Date; readonly included: boolean }
  readonly to?: { readonly at: Date; readonly included: boolean }
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const DAY = 86_400_000
const DURATION = /^(-?)(\d{1,7}(?:\.\d{1,3})?)(s|m|h|d|w)$/
const DATE = /^\d{4}-\d\d-\d\d$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?$/i

/** How to write a time, for people. */
const CURE = 'write <1h or >2d (s, m, h, d, w), or a date such as 2026-01-31 or >2026-01-31T12:00Z'

/**
 * Reads a value of a time. Of a `past` one a duration is an age: `<1h` is younger than an hour; of one that may lie ahead it is the
 * time until then: `>2h` is in more than two hours, `<-5m` is over for five minutes. Dates without a zone are UTC. A text says what is
 * wrong. Pure.
 */
export function readSpan({ operator, text }: TermValue, past: boolean, now: Date): Span | string {
  const duration = DURATION.exec(text)
  if (duration) {
    const [, minus, count, unit = ''] = duration
    if (operator === '') return `does not say whether less or more; ${CURE}`
    if (past && minus === '-') return `is an age, which is never negative; ${CURE}`
    const length = Number(count) * (UNITS[unit] ?? 0) * (minus === '-' ? -1 : 1)
    const at = new Date(now.getTime() + (past ? -length : length))
    if (!isStorableDate(at)) return 'is further away than dates go; write less'
    const younger = operator.startsWith('<') === past
    const end = { at, included: operator.endsWith('=') }
    return younger ? { from: end } : { to: end }
  }
  const isDay = DATE.test(text)
  const zone = isDay ? undefined : TIME.exec(text)
  const at = isDay || zone ? new Date(zone && zone[1] === undefined ? `${text}Z` : text) : undefined
  // 2026-02-31 is the third of March to some parsers.
  if (at === undefined || !isStorableDate(at) || (isDay && at.toISOString().slice(0, 10) !== text)) {
    return `is not a time; ${CURE}`
  }
  if (operator === '') {
    if (!isDay) return `does not say whether before or after; ${CURE}`
    return { from: { at, included: true }, to: { at: new Date(at.getTime() + DAY), included: false } }
  }
  const included = operator.endsWith('=')
  return operator.startsWith('<') ? { to: { at, included } } : { from: { at, included } }
}

/** Whether an instant lies in a span; none does not. Pure. */
export function isWithin({ from, to }: Span, instant: Date | null): boolean {
  if (instant === null) return false
  const at = instant.getTime()
  const isAfter = from === undefined || at > from.at.getTime() || (from.included && at === from.at.getTime())
  const isBefore = to === undefined || at < to.at.getTime() || (to.included && at === to.at.getTime())
  return isAfter && isBefore
}
