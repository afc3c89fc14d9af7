import { BroadcasterError } from '../errors.ts'
import { Pause } from '../foundation/pause.ts'
import type { Outcome, Ownership, RelayStore } from '../store/relay-store.ts'
import type { HeldEvent } from './held-event.ts'
import type { Lanes } from './lanes.ts'
import type { Lease } from './lease.ts'
import { recordOutcomes } from './record-outcomes.ts'

/** `lost`: the store says that it was not ours to record. `refused`: the store takes it in no form. */
export type Settled = 'recorded' | 'lost' | 'refused'

/** An outcome on its way to the store. */
export interface SettleEntry {
  readonly held: HeldEvent
  readonly outcome: Outcome
  /**
   * `end`: what a send came to. `park`: behind the head of its key. `defer`: put off, at no cost. `give-back`: not sent after all.
   * `mark`: about to be sent.
   */
  readonly purpose: 'end' | 'park' | 'defer' | 'give-back' | 'mark'
  /** Why the attempt failed. */
  readonly error?: unknown
  /** Monotonic time at which it was first not taken. */
  failingSince?: number
}

/** Told what becomes of entries. */
export interface SettleWatch {
  /** The store did not take it at the first try. */
  putOff(entry: SettleEntry): void
  /** Its row is locked. Told at each try that met the lock. */
  locked(entry: SettleEntry): void
  /** It is over. */
  settled(entry: SettleEntry, how: Settled): void
  /** All of a group are told. How long it took, in ms. */
  through(duration: number): void
}

export interface SettlerParts {
  readonly store: Pick<RelayStore, 'settle'>
  readonly lanes: Pick<Lanes, 'has' | 'distrust'>
  readonly lease: Lease
  readonly watch: SettleWatch
  readonly onError: (error: unknown) => void
}

/** Outcomes in one settle: bounds the size of a statement. */
const LARGEST_SETTLE = 5_000
/** The longest pause between two tries, in ms. */
const LONGEST_PAUSE = 2_000

/**
 * Records outcomes in bulk: while one settle runs the next collects. One that the store does not take for what is in it
 * holds up no other (`record-outcomes.ts`). A store that cannot be reached is tried again; what is given up is sent again by the
 * lane's next owner.
 */
export class Settler {
  readonly #parts: SettlerParts
  #queue: SettleEntry[] = []
  /** Not taken, to be tried again after a pause. What comes meanwhile does not wait for them. */
  #waiting: SettleEntry[] = []
  #tryAgainAt = 0
  #pause = 0
  readonly #rest = new Pause()
  /** Monotonic time at which the store last took something. */
  #tookAt = Number.NEGATIVE_INFINITY
  #running: Promise<void> | undefined
  #isEnding = false

  constructor(parts: SettlerParts) {
    this.#parts = parts
  }

  add(entry: SettleEntry): void {
    this.#queue.push(entry)
    this.#running ??= this.#run()
    this.#rest.end()
  }

  /** From now on no entry is tried for longer than a lease, or when that has ended. */
  end(): void {
    this.#isEnding = true
  }

  /** Resolves when nothing waits to be recorded. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    // One turn of the event loop, so that outcomes of the same moment share a statement.
    await Promise.resolve()
    while (this.#queue.length > 0 || this.#waiting.length > 0) {
      const early = this.#tryAgainAt - performance.now()
      if (this.#queue.length === 0 && early > 0) {
        await this.#rest.sleep(early)
        continue
      }
      const again = early > 0 ? [] : this.#waiting.splice(0)
      const entries = [...again, ...this.#queue.splice(0)]
      for (let at = 0; at < entries.length; at += LARGEST_SETTLE)
        await this.#settle(entries.slice(at, at + LARGEST_SETTLE))
    }
    this.#running = undefined
  }

  async #settle(entries: readonly SettleEntry[]): Promise<void> {
    for (const [ownership, group] of Map.groupBy(entries, (entry) => entry.held.lane.ownership)) {
      await this.#settleGroup(ownership, group)
    }
  }

  async #settleGroup(ownership: Ownership, group: readonly SettleEntry[]): Promise<void> {
    const { store, lanes, watch, onError } = this.#parts
    const start = performance.now()
    const { lost, refused, waiting, locked, doubtful, took } = await recordOutcomes(
      (outcomes) => store.settle(ownership, outcomes),
      group.map((entry) => entry.outcome),
      onError,
    )
    // A statement whose answer did not come may still run.
    if (doubtful.size > 0) {
      lanes.distrust(group.map(({ held }) => held.lane).filter(({ number }) => doubtful.has(number)))
    }
    const now = performance.now()
    if (took) {
      this.#tookAt = now
      this.#pause = 0
    }
    for (const entry of group) {
      const { id } = entry.held
      if (refused.has(id) && this.#tookAt > (entry.failingSince ?? now - 1)) this.#refuse(entry)
      else if (refused.has(id) || waiting.has(id)) this.#putOff(entry, locked.has(id), now)
      else watch.settled(entry, lost.has(id) ? 'lost' : 'recorded')
    }
    watch.through(now - start)
  }

  #putOff(entry: SettleEntry, isLocked: boolean, now: number): void {
    const { watch } = this.#parts
    if (entry.failingSince === undefined) watch.putOff(entry)
    entry.failingSince ??= now
    if (this.#isTooLate(entry, now - entry.failingSince)) {
      watch.settled(entry, 'lost')
      return
    }
    if (isLocked) watch.locked(entry)
    this.#waiting.push(entry)
    if (this.#tryAgainAt > now) return
    this.#pause = Math.min(LONGEST_PAUSE, Math.max(50, 2 * this.#pause))
    this.#tryAgainAt = now + this.#pause
  }

  #isTooLate({ held, outcome }: SettleEntry, failingFor: number): boolean {
    const { lanes, lease } = this.#parts
    if (this.#isEnding && (lease.left <= 0 || failingFor > lease.length)) return true
    // What was delivered is recorded for the lane's owner, whoever that is; the rest is the owner's to decide.
    return outcome.kind !== 'published' && !lanes.has(held.lane)
  }

  #refuse(entry: SettleEntry): void {
    const { id } = entry.held
    const message = `the database refuses to record '${entry.outcome.kind}' for event ${id}, in any form; correct its row, or it is sent again when its lane is read again`
    this.#parts.onError(new BroadcasterError('OUTCOME_REFUSED', message, { field: 'id', value: id }))
    this.#parts.watch.settled(entry, 'refused')
  }
}
