import { randomUUID } from 'node:crypto'
import { LONGEST_LEASE } from '../store/coordination-store.ts'
import type { DutyStore } from '../store/duty-store.ts'
import { Lease, moment } from './lease.ts'

/** Of the lease of a worker: whoever does something for all may be held up for longer than one who sends. */
const LEASES = 3

export interface DutyParts {
  readonly store: DutyStore
  /** What is done, at most 50 characters. */
  readonly name: string
  /** The lease of the worker, in milliseconds. */
  readonly lease: number
  readonly onError: (error: unknown) => void
}

/**
 * What one worker at a time does for all. It is ours from `begin` to `end`, extended by itself; should this process be frozen, or the
 * database not answer, for longer than the lease, it is not ours any more: look at `isOurs` before each step.
 */
export class Duty {
  readonly #parts: DutyParts
  readonly #holder = randomUUID()
  readonly #lease: Lease
  #timer: NodeJS.Timeout | undefined
  #extending: Promise<unknown> = Promise.resolve()
  #isExtending = false

  constructor(parts: DutyParts) {
    this.#parts = parts
    this.#lease = new Lease(Math.min(LEASES * parts.lease, LONGEST_LEASE))
  }

  /** By the clocks of this host, counted from before it was asked for: it ends here before it ends in the database. */
  get isOurs(): boolean {
    return this.#lease.allows(0)
  }

  /** Resolves with false when another worker has it. Rejects when the database cannot be asked. */
  async begin(): Promise<boolean> {
    if (!(await this.#take())) return false
    this.#timer = setInterval(() => this.#extend(), this.#lease.length / LEASES).unref()
    return true
  }

  /** Gives it back. Never rejects: the lease ends anyway. */
  async end(): Promise<void> {
    clearInterval(this.#timer)
    await this.#extending
    if (this.#lease.left > 0) await this.#giveUp(true)
  }

  /** What has ended is not taken up again: another may have had it meanwhile, and what was begun here is out of date. */
  #extend(): void {
    if (this.#isExtending) return
    this.#isExtending = true
    const work = this.isOurs ? this.#take(() => this.isOurs) : this.#giveUp()
    this.#extending = work.catch(this.#parts.onError).finally(() => {
      this.#isExtending = false
    })
  }

  async #take(isStill = () => true): Promise<boolean> {
    const { store, name } = this.#parts
    const asked = moment()
    const isTaken = await store.take(name, this.#holder, this.#lease.length)
    if (isTaken && isStill()) this.#lease.extend(asked)
    else await this.#giveUp(isTaken)
    return isTaken
  }

  /** Never rejects. `isTaken`: the database says that it is ours. */
  async #giveUp(isTaken = false): Promise<void> {
    const { store, name, onError } = this.#parts
    clearInterval(this.#timer)
    this.#lease.end()
    if (isTaken) await store.giveBack(name, this.#holder).catch(onError)
  }
}
