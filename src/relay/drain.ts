import { BroadcasterError } from '../errors.ts'
import { showValue } from '../foundation/problem.ts'
import type { Cycle } from './cycle.ts'
import type { FlowWriter } from './flow-writer.ts'
import type { LaneKeeper } from './lane-keeper.ts'
import { lastWords } from './shift.ts'
import type { OutageLog } from './told-outages.ts'
import type { Waker } from './waker.ts'

/** What a drain works with; a `Worker` makes it. */
export interface DrainParts {
  readonly keeper: LaneKeeper
  readonly cycles: readonly Cycle[]
  readonly waker: Waker
  readonly flow: FlowWriter
  readonly outages: OutageLog
  /** Throws when the store cannot be used. */
  readonly check: () => Promise<unknown>
}

/** How many events a drain may still take. Throws `INVALID_OPTION` for what is not a limit. */
export function budgetOf(limit = Number.POSITIVE_INFINITY): { left: number } {
  if (limit === Number.POSITIVE_INFINITY || (Number.isSafeInteger(limit) && limit >= 1)) return { left: limit }
  const message = `limit is ${showValue(limit)}; give a whole number of at least 1, or leave it out to deliver all that is due`
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'limit', value: limit })
}

/** One pass over the free lanes. Its owner must not close backends or store before `ended`. */
export class Drain {
  /** Resolves with how many events were published. */
  readonly published: Promise<number>
  readonly #parts: DrainParts
  #stopping = false

  constructor(parts: DrainParts) {
    this.#parts = parts
    this.published = this.#run()
  }

  /** Resolves when it has ended, whether it succeeded or not. */
  async ended(): Promise<void> {
    await Promise.allSettled([this.published])
  }

  /** Sends nothing more; what is in flight is finished, the lanes are given back. */
  stop(): void {
    this.#stopping = true
    for (const cycle of this.#parts.cycles) cycle.stop()
  }

  async #run(): Promise<number> {
    const { keeper, cycles, waker, flow, outages, check } = this.#parts
    await check()
    if (this.#stopping) return 0
    await keeper.start()
    const beating = keeper.run()
    // All of them to their end: the lanes are given back, and no send may be in flight then.
    const ends = await Promise.allSettled(cycles.map((cycle) => cycle.run(true)))
    keeper.stop()
    await beating
    await waker.close()
    await keeper.leave()
    await lastWords(flow, outages)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    return cycles.reduce((sum, cycle) => sum + cycle.published, 0)
  }
}
