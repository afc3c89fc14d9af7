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
    const { store, name, onError } = this.#parts
    clearInterval(this.#timer)
    await this.#extending
    if (this.#lease.left <= 0) return
    this.#lease.end()
    await store.giveBack(name, this.#holder).catch(onError)
  }

  #extend(): void {
    this.#extending = this.#take().catch(this.#parts.onError)
  }

  async #take(): Promise<boolean> {
    const asked = moment()
    const isTaken = await this.#parts.store.take(this.#parts.name, this.#holder, this.#lease.length)
    if (isTaken) this.#lease.extend(asked)
    else this.#lease.end()
    return isTaken
  }
}
