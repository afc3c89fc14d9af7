import type { Lane } from '../store/coordination-store.ts'
import type { Ownership } from '../store/relay-store.ts'
import type { Conclusion } from './conclusion.ts'
import type { CycleOptions } from './cycle-options.ts'
import type { HeldKeys } from './held-keys.ts'
import type { InHand } from './in-hand.ts'
import type { LaneReader } from './lane-reader.ts'

/** What a cycle shares with its lanes. */
export interface OwnedLanesParts {
  readonly options: CycleOptions
  readonly inHand: InHand
  readonly held: HeldKeys
  readonly reader: LaneReader
  readonly conclusion: Conclusion
  /** Lanes were opened: there may be something to read. */
  readonly onOpened: () => void
}

/** A retry that has not come back this long after it was due, in ms, is looked up in the store. */
const OVERDUE = 5_000
/** Between two tries to read what holds a lane's keys, in ms. */
const TRY_AGAIN = 500

/** The lanes of one cycle: how they come, how they go, and under which proof of ownership their events settle. */
export class OwnedLanes {
  readonly #parts: OwnedLanesParts
  readonly #ownerships = new Map<number, Ownership>()
  readonly #doubted = new Set<number>()

  constructor(parts: OwnedLanesParts) {
    this.#parts = parts
  }

  /** The proof for a lane; undefined = not ours. */
  ownership(lane: number): Ownership | undefined {
    return this.#ownerships.get(lane)
  }

  /** Takes lanes. Those in `unclean`, whose last owner died, start under suspicion. */
  async gain(lanes: readonly Lane[], workerId: string, unclean: ReadonlySet<number>): Promise<void> {
    const fences = new Map(lanes.map(({ lane, fence }) => [lane, fence]))
    const ownership = { workerId, fences, backend: this.#parts.options.name }
    for (const { lane } of lanes) this.#ownerships.set(lane, ownership)
    const numbers = lanes.map(({ lane }) => lane)
    await this.#open(numbers, unclean)
  }

  /** Somebody outside changed events of these lanes: starts afresh with what the store says. */
  async reconcile(lanes: readonly number[]): Promise<void> {
    const before = lanes.map((lane) => [lane, this.#ownerships.get(lane)] as const)
    await this.drain(lanes)
    for (const [lane, ownership] of before) if (ownership) this.#ownerships.set(lane, ownership)
    await this.#open(lanes, new Set())
  }

  /** A head that did not come back when it was due was changed by hand: asks the store what holds the lane's keys. */
  doubt(lane: number, dueAt: number | null): void {
    if (dueAt === null || performance.now() < dueAt + OVERDUE || this.#doubted.has(lane)) return
    this.#doubted.add(lane)
    void this.reconcile([lane])
      .catch(this.#parts.options.onError)
      .finally(() => this.#doubted.delete(lane))
  }

  /** Stops working on lanes and resolves when nothing of them is in flight. */
  async drain(lanes: readonly number[]): Promise<void> {
    const { reader, conclusion, inHand, held } = this.#parts
    const leaving = new Set(lanes)
    for (const lane of lanes) reader.close(lane)
    conclusion.giveBackWhere((event) => leaving.has(event.lane))
    await Promise.all(lanes.map((lane) => inHand.empty(lane)))
    for (const lane of lanes) {
      held.forget(lane)
      this.#ownerships.delete(lane)
    }
  }

  /** All lanes are gone, or shall go. Resolves when nothing is in flight any more. */
  async drainAll(): Promise<void> {
    await this.drain([...this.#ownerships.keys()])
  }

  /** Learns what holds the lanes' keys, then reads them; tries until it is known or the lanes are gone. */
  async #open(lanes: readonly number[], unclean: ReadonlySet<number>): Promise<void> {
    const { options, held, reader, onOpened } = this.#parts
    const { concurrency, batchSize, store, names, onError } = options
    const ownerships = lanes.map((lane) => this.#ownerships.get(lane))
    const stillOurs = (lane: number, n: number): boolean =>
      ownerships[n] !== undefined && this.#ownerships.get(lane) === ownerships[n]
    for (let ours = lanes.filter(stillOurs); ours.length > 0; ours = lanes.filter(stillOurs)) {
      try {
        const heads = await store.relay.reconcile(names, ours)
        const now = performance.now()
        const opened = lanes.filter(stillOurs)
        for (const lane of opened) held.reset(lane, heads, now)
        // At most so many events of a lane can have been in flight when its owner died.
        reader.open(opened, (lane) => (unclean.has(lane) ? concurrency * batchSize : 0))
        onOpened()
        return
      } catch (error) {
        onError(error)
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN))
      }
    }
  }
}
