import { compileTypePattern } from '../event/type-pattern.ts'
import { type PerStatus, SETTLED, type SettledEvent, type SettledStatus } from '../store/retention-store.ts'
import type { ResolvedRetention } from './retention-options.ts'

/** What holds for the events of some types. */
export interface Rule {
  readonly matches: (eventType: string) => boolean
  /** Milliseconds after which an event goes; null = none goes for its age. */
  readonly ages: PerStatus<number | null>
  /** How many are kept; null = none goes for their number. */
  readonly keep: PerStatus<number | null>
}

/** Each event is under one rule: the first that matches. */
export type Rules = readonly Rule[]

/** Which events go for their number, for each rule: those up to a place; null = none. */
export type Surplus = readonly PerStatus<string | null>[]

/** Nothing is older than fifty years, and no database computes with every number of milliseconds. */
export const LONGEST_AGE = 50 * 365.25 * 24 * 60 * 60 * 1_000

/** What each status has. */
export function perStatus<Value>(value: (status: SettledStatus) => Value): PerStatus<Value> {
  return { published: value('published'), failed: value('failed'), cancelled: value('cancelled') }
}

/** The rules that options say. What is not kept at all goes at once where another worker has kept it. */
export function rulesOf(options: Pick<ResolvedRetention, SettledStatus | 'keep' | 'types'>): Rules {
  const { published, failed, keep, types } = options
  const { cancelled = failed } = options
  const all = { published: published === 'delete' ? 0 : published, failed, cancelled }
  const special = Object.entries(types).map(([pattern, own]) => {
    const { published = all.published, failed = all.failed } = own
    const { cancelled = own.failed === undefined ? all.cancelled : failed } = own
    return ruleOf(compileTypePattern(pattern), { published, failed, cancelled }, own.keep)
  })
  return [...special, ruleOf(() => true, all, keep)]
}

/** One rule. */
export function ruleOf(matches: Rule['matches'], ages: Rule['ages'], keep: Rule['keep']): Rule {
  const bounded = perStatus((status) => {
    const age = ages[status]
    return age !== null && age > LONGEST_AGE ? null : age
  })
  return { matches, ages: bounded, keep }
}

/** The number of the rule that an event of this type is under; -1 = none. */
export function ruleFor(rules: Rules, eventType: string): number {
  return rules.findIndex(({ matches }) => matches(eventType))
}

/** The least age at which any event may go. */
export function leastAges(rules: Rules): PerStatus<number | null> {
  return perStatus((status) => {
    const given = rules.flatMap(({ ages }) => ages[status] ?? [])
    return given.length === 0 ? null : Math.min(...given)
  })
}

/** The last place at which any event may go for their number. */
export function lastPlaces(surplus: Surplus): PerStatus<string | null> {
  return perStatus((status) => {
    const given = surplus.flatMap((places) => places[status] ?? [])
    return given.length === 0 ? null : given.reduce((a, b) => (a > b ? a : b))
  })
}

/** The database compared the age with more digits than it told us. In ms. */
const ROUNDED = 1

/** Whether an event may go, by the rule that it is under. */
export function mayGo(rules: Rules, surplus: Surplus, event: Omit<SettledEvent, 'id' | 'version'>): boolean {
  const { eventType, status, age, place, counts } = event
  const n = ruleFor(rules, eventType)
  const limit = rules[n]?.ages[status] ?? null
  const last = surplus[n]?.[status] ?? null
  return (limit !== null && age + ROUNDED >= limit) || (counts && last !== null && place <= last)
}

/** Whether any rule limits a number. */
export function countsAny(rules: Rules): boolean {
  return rules.some(({ keep }) => SETTLED.some((status) => keep[status] !== null))
}
