import type { Lane } from './lane.ts'

/**
 * What plain SQL did to the events of a lane is found by reconciling it: after this share of `reconcileInterval` as soon
 * as none of its events is in hand, and when all are over in any case.
 */
const EARLY = 0.5
/** Lanes reconciled so before their time is over, at one time: most of a worker's lanes go on. */
const AT_ONCE = 8

/** The lanes to be looked at now, the longest since first; `interval`: within which each is. */
export function dueForLook(lanes: readonly Lane[], now: number, interval: number): readonly Lane[] {
  return lanes
    .filter(({ phase, isDoubted }) => phase.kind === 'open' && !isDoubted)
    .map((lane) => ({ lane, age: (now - lane.reconciledAt) / interval }))
    .filter(({ lane, age }) => age >= 1 || (age >= EARLY && lane.hand.size === 0))
    .sort((a, b) => b.age - a.age)
    .filter(({ age }, n) => n < AT_ONCE || age >= 1)
    .map(({ lane }) => lane)
}

/** When a lane that was looked at now counts as looked at: not all at one time, or all would be due at one time again. */
export function lookedAt(now: number, interval: number): number {
  return now - Math.random() * EARLY * interval
}
