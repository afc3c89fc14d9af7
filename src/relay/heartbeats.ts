import type { LiveWorker } from '../store/coordination-store.ts'

/** A worker renews its lease at least four times in its length, so this part of it is always left of a living one's. */
const LEFT = 0.6
/** By this part of what is left it may fall faster than time passes: answers take their time, some longer than others. */
const JITTER = 0.1

interface Heartbeat {
  readonly leaseLeft: number
  /** By the monotonic clock. */
  readonly seenAt: number
  /** The most that was ever left of the lease, in milliseconds: about its length, which only its owner knows. */
  readonly longest: number
}

/** Which of the listed workers have missed heartbeats: dead, most likely. See `planLanes` for what that changes. */
export class Heartbeats {
  #known: ReadonlyMap<string, Heartbeat> = new Map()

  /** Looks at a survey. Returns the ids of the workers that are late. */
  observe(workers: readonly LiveWorker[], now: number = performance.now()): ReadonlySet<string> {
    const known = new Map(workers.map(({ id, leaseLeft }) => [id, heartbeat(leaseLeft, now, this.#known.get(id))]))
    this.#known = known
    return new Set([...known].flatMap(([id, { leaseLeft, longest }]) => (leaseLeft < longest * LEFT ? [id] : [])))
  }
}

/** A lease that falls faster than time passes lay too far ahead, by a clock that was set back: it is measured again. */
function heartbeat(leaseLeft: number, seenAt: number, before: Heartbeat | undefined): Heartbeat {
  const due = before === undefined ? 0 : before.leaseLeft - (seenAt - before.seenAt)
  const isAnew = before === undefined || leaseLeft * (1 + JITTER) < due
  return { leaseLeft, seenAt, longest: isAnew ? leaseLeft : Math.max(leaseLeft, before.longest) }
}
