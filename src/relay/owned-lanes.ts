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
  /** The latest gain, reconcile or drain of each lane: one that began earlier and still waits has no say any more. */
  readonly #turns = new Map<number, symbol>()
  /** Lanes that are being drained for good. */
  readonly #leaving = new Set<number>()
  #closed = false

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
    const numbers = lanes.map(({ lane }) => lane)
    const turn = this.#begin(numbers)
    for (const lane of numbers) {
      this.#ownerships.set(lane, ownership)
      this.#leaving.delete(lane)
    }
    await this.#open(numbers, unclean, turn)
  }

  /** Somebody outside changed events of these lanes: starts afresh with what the store says. */
  async reconcile(lanes: readonly number[]): Promise<void> {
    const ours = lanes.filter((lane) => this.#ownerships.has(lane) && !this.#leaving.has(lane))
    const turn = this.#begin(ours)
    await this.#quiet(ours)
    await this.#open(ours, new Set(), turn)
  }

  /** A head that did not come back when it was due was changed by hand: asks the store what holds the lane's keys. */
  doubt(lane: number, dueAt: number | null): void {
    if (dueAt !== null && performance.now() >= dueAt + OVERDUE) this.lookAgain(lane)
  }

  /** The store knows better than we do what holds this lane's keys: asks it. */
  lookAgain(lane: number): void {
    if (this.#doubted.has(lane)) return
    this.#doubted.add(lane)
    void this.reconcile([lane])
      .catch(this.#parts.options.onError)
      .finally(() => this.#doubted.delete(lane))
  }

  /** Stops working on lanes and resolves when nothing of them is in flight. */
  async drain(lanes: readonly number[]): Promise<void> {
    const turn = this.#begin(lanes)
    for (const lane of lanes) this.#leaving.add(lane)
    await this.#quiet(lanes)
    for (const lane of lanes) {
      if (this.#turns.get(lane) !== turn) continue
      this.#parts.held.forget(lane)
      this.#ownerships.delete(lane)
      this.#leaving.delete(lane)
      this.#turns.delete(lane)
    }
  }

  /** All lanes are gone, or shall go. Resolves when nothing is in flight any more. */
  async drainAll(): Promise<void> {
    await this.drain([...this.#ownerships.keys()])
  }

  /** The end: no lane is opened after it. */
  async close(): Promise<void> {
    this.#closed = true
    await this.drainAll()
  }

  #begin(lanes: readonly number[]): symbol {
    const turn = Symbol()
    for (const lane of lanes) this.#turns.set(lane, turn)
    return turn
  }

  /** Reads these lanes no more, gives back what was not sent, and waits for the rest. */
  async #quiet(lanes: readonly number[]): Promise<void> {
    const { reader, conclusion, inHand } = this.#parts
    const given = new Set(lanes)
    for (const lane of lanes) reader.close(lane)
    conclusion.giveBackWhere((event) => given.has(event.lane))
    await Promise.all(lanes.map((lane) => inHand.empty(lane)))
  }

  /**
   * Learns what holds the lanes' keys, then reads them; tries until it is known or the lanes are gone. A drain tries
   * once: its caller hears of a store that fails.
   */
  async #open(lanes: readonly number[], unclean: ReadonlySet<number>, turn: symbol): Promise<void> {
    const { options, held, reader, onOpened } = this.#parts
    const { concurrency, batchSize, store, names, onError, budget } = options
    const stillOurs = (lane: number): boolean => !this.#closed && this.#turns.get(lane) === turn
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
        if (budget !== undefined) throw error
        onError(error)
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN))
      }
    }
  }
}
