import type { Outcome, Ownership, RelayStore } from '../store/relay-store.ts'
import type { HeldEvent } from './in-hand.ts'

interface Entry {
  readonly held: HeldEvent
  readonly outcome: Outcome
  readonly settled: (recorded: boolean) => void
}

/** Outcomes in one settle: bounds the size of a statement. */
const LARGEST_SETTLE = 5_000

/**
 * Records outcomes in bulk: while one settle is under way the next collects. A store that cannot be reached is tried
 * again until `giveUp`, told for how many ms it has failed, says that it is too late; what is not recorded then is sent again by the lane's next owner.
 */
export class Settler {
  readonly #store: Pick<RelayStore, 'settle'>
  readonly #onError: (error: unknown) => void
  readonly #giveUp: (failingFor: number) => boolean
  #queue: Entry[] = []
  #running: Promise<void> | undefined

  constructor(
    store: Pick<RelayStore, 'settle'>,
    onError: (error: unknown) => void,
    giveUp: (failingFor: number) => boolean,
  ) {
    this.#store = store
    this.#onError = onError
    this.#giveUp = giveUp
  }

  /** `settled` is called once: true when recorded, false when the store says that it was not ours to record. */
  add(held: HeldEvent, outcome: Outcome, settled: (recorded: boolean) => void): void {
    this.#queue.push({ held, outcome, settled })
    this.#running ??= this.#run()
  }

  /** Records outcomes now and waits for it. */
  async record(events: readonly HeldEvent[], outcome: (held: HeldEvent) => Outcome): Promise<ReadonlySet<string>> {
    const recorded = new Set<string>()
    await Promise.all(
      events.map(
        (held) =>
          new Promise<void>((resolve) => {
            this.add(held, outcome(held), (ok) => {
              if (ok) recorded.add(held.id)
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
    while (this.#queue.length > 0) {
      const entries = this.#queue.splice(0, LARGEST_SETTLE)
      for (const [ownership, group] of Map.groupBy(entries, (entry) => entry.held.ownership)) {
        const lost = await this.#settle(ownership, group)
        for (const entry of group) entry.settled(!lost.has(entry.held.id))
      }
    }
    this.#running = undefined
  }

  async #settle(ownership: Ownership, entries: readonly Entry[]): Promise<ReadonlySet<string>> {
    const outcomes = entries.map((entry) => entry.outcome)
    const start = performance.now()
    for (let pause = 50; ; pause = Math.min(2_000, pause * 2)) {
      try {
        return new Set((await this.#store.settle(ownership, outcomes)).lost)
      } catch (error) {
        this.#onError(error)
        if (this.#giveUp(performance.now() - start)) return new Set(outcomes.map((outcome) => outcome.id))
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }
  }
}
