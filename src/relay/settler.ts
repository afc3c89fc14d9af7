import { BroadcasterError } from '../errors.ts'
import { Pause } from '../foundation/pause.ts'
import type { Outcome, Ownership, RelayStore } from '../store/relay-store.ts'
import type { HeldEvent } from './in-hand.ts'
import { recordOutcomes } from './record-outcomes.ts'

/** `lost`: the store says that it was not ours to record. `refused`: the store takes it in no form. */
export type Settled = 'recorded' | 'lost' | 'refused'

/** What is told on the way, when an outcome is not taken at once. */
export interface Delays {
  /** The store did not take it at the first try. Called once. */
  readonly onPutOff?: () => void
  /** Its row is locked. Called at each try that met the lock. */
  readonly onLocked?: () => void
}

interface Entry {
  readonly held: HeldEvent
  readonly outcome: Outcome
  readonly settled: (how: Settled) => void
  readonly delays: Delays
  /** Monotonic time at which it was first not taken. */
  failingSince?: number
}

const NONE: Delays = {}
/** Outcomes in one settle: bounds the size of a statement. */
const LARGEST_SETTLE = 5_000
/** The longest pause between two tries, in ms. */
const LONGEST_PAUSE = 2_000

/**
 * Records outcomes in bulk: while one settle runs the next collects. One that the store does not take for what is in it
 * holds up no other (`record-outcomes.ts`). A store that cannot be reached is tried again until `giveUp`, told for how many
 * ms it has failed, says that it is too late; what is not recorded then is sent again by the lane's next owner. A statement
 * whose answer did not come may still run: `onDoubt` is called with its lanes. `onSettled` is called with how many ms a
 * group took, once all of its outcomes are reported.
 */
export class Settler {
  readonly #store: Pick<RelayStore, 'settle'>
  readonly #onError: (error: unknown) => void
  readonly #giveUp: (held: HeldEvent, outcome: Outcome, failingFor: number) => boolean
  readonly #onDoubt: (lanes: readonly number[]) => void
  readonly #onSettled: (duration: number) => void
  #queue: Entry[] = []
  /** Not taken, to be tried again after a pause. What comes meanwhile does not wait for them. */
  #waiting: Entry[] = []
  #tryAgainAt = 0
  #pause = 0
  readonly #rest = new Pause()
  /** Monotonic time at which the store last took something. */
  #tookAt = Number.NEGATIVE_INFINITY
  #running: Promise<void> | undefined

  constructor(
    store: Pick<RelayStore, 'settle'>,
    onError: (error: unknown) => void,
    giveUp: (held: HeldEvent, outcome: Outcome, failingFor: number) => boolean,
    onDoubt: (lanes: readonly number[]) => void,
    onSettled: (duration: number) => void = () => undefined,
  ) {
    this.#store = store
    this.#onError = onError
    this.#giveUp = giveUp
    this.#onDoubt = onDoubt
    this.#onSettled = onSettled
  }

  /** `settled` is called once, and nothing after it. */
  add(held: HeldEvent, outcome: Outcome, settled: (how: Settled) => void, delays: Delays = NONE): void {
    this.#queue.push({ held, outcome, settled, delays })
    this.#running ??= this.#run()
    this.#rest.end()
  }

  /** Records outcomes now and waits for it. */
  async record(events: readonly HeldEvent[], outcome: (held: HeldEvent) => Outcome): Promise<ReadonlySet<string>> {
    const recorded = new Set<string>()
    await Promise.all(
      events.map(
        (held) =>
          new Promise<void>((resolve) => {
            this.add(held, outcome(held), (how) => {
              if (how === 'recorded') recorded.add(held.id)
              resolve()
            })
          }),
      ),
    )
    return recorded
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

  async #settle(entries: readonly Entry[]): Promise<void> {
    for (const [ownership, group] of Map.groupBy(entries, (entry) => entry.held.ownership)) {
      await this.#settleGroup(ownership, group)
    }
  }

  async #settleGroup(ownership: Ownership, group: readonly Entry[]): Promise<void> {
    const start = performance.now()
    const { lost, refused, waiting, locked, doubtful, took } = await recordOutcomes(
      (outcomes) => this.#store.settle(ownership, outcomes),
      group.map((entry) => entry.outcome),
      this.#onError,
    )
    if (doubtful.size > 0) this.#onDoubt([...doubtful])
    const now = performance.now()
    if (took) {
      this.#tookAt = now
      this.#pause = 0
    }
    for (const entry of group) {
      const { id } = entry.held
      if (refused.has(id) && this.#tookAt > (entry.failingSince ?? now - 1)) this.#refuse(entry)
      else if (refused.has(id) || waiting.has(id)) this.#putOff(entry, locked.has(id), now)
      else entry.settled(lost.has(id) ? 'lost' : 'recorded')
    }
    this.#onSettled(now - start)
  }

  #putOff(entry: Entry, isLocked: boolean, now: number): void {
    const { held, outcome, delays, settled } = entry
    if (entry.failingSince === undefined) delays.onPutOff?.()
    entry.failingSince ??= now
    if (this.#giveUp(held, outcome, now - entry.failingSince)) {
      settled('lost')
      return
    }
    if (isLocked) delays.onLocked?.()
    this.#waiting.push(entry)
    if (this.#tryAgainAt > now) return
    this.#pause = Math.min(LONGEST_PAUSE, Math.max(50, 2 * this.#pause))
    this.#tryAgainAt = now + this.#pause
  }

  #refuse({ held, outcome, settled }: Entry): void {
    const message = `the database refuses to record '${outcome.kind}' for event ${held.id}, in any form; correct its row, or it is sent again when its lane is read again`
    this.#onError(new BroadcasterError('OUTCOME_REFUSED', message, { field: 'id', value: held.id }))
    settled('refused')
  }
}
