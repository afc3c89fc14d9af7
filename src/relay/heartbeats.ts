import type { LiveWorker } from '../store/coordination-store.ts'

/** A worker renews its lease at least four times in its length, so this part of it is always left of a living one's. */
const LEFT = 0.6

/** Which of the listed workers have missed heartbeats: dead, most likely. See `planLanes` for what that changes. */
export class Heartbeats {
  /** The most that was ever left of each worker's lease, in milliseconds: about its length, which only its owner knows. */
  readonly #longest = new Map<string, number>()

  /** Looks at a survey. Returns the ids of the workers that are late. */
  observe(workers: readonly LiveWorker[]): ReadonlySet<string> {
    const listed = new Set(workers.map(({ id }) => id))
    for (const id of this.#longest.keys()) if (!listed.has(id)) this.#longest.delete(id)
    const late = new Set<string>()
    for (const { id, leaseLeft } of workers) {
      const longest = Math.max(leaseLeft, this.#longest.get(id) ?? 0)
      this.#longest.set(id, longest)
      if (leaseLeft < longest * LEFT) late.add(id)
    }
    return late
  }
}
