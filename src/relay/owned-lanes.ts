import { settles } from '../foundation/waiting.ts'
import type { LaneRow } from '../store/coordination-store.ts'
import type { Ownership } from '../store/relay-store.ts'
import type { Conclusion } from './conclusion.ts'
import type { CycleOptions } from './cycle-options.ts'
import type { HeldKeys } from './held-keys.ts'
import type { Exception, InHand } from './in-hand.ts'
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
/** A lane of which a row could not be brought back, since it was locked, is reconciled again after this long, in ms. */
const LOCKED_AGAIN = 2_000
/** A lane that goes waits this long, in ms, for what is locked: its next owner sends that once more. */
const LONGEST_FAREWELL = 10_000
/** Between two tries to read what holds a lane's keys, in ms. */
const TRY_AGAIN = 500
/**
 * What plain SQL did to the events of a lane is found by reconciling it: after this share of `reconcileInterval` as soon
 * as none of its events is in hand, and when all are over in any case.
 */
const EARLY = 0.5
/** Lanes reconciled so before their time is over, at one time: most of a worker's lanes go on. */
const AT_ONCE = 8

/** The lanes of one cycle: how they come, how they go, and under which proof of ownership their events settle. */
export class OwnedLanes {
  readonly #parts: OwnedLanesParts
  readonly #ownerships = new Map<number, Ownership>()
  readonly #doubted = new Set<number>()
  /** The latest gain, reconcile or drain of each lane: one that began earlier and still waits has no say any more. */
  readonly #turns = new Map<number, symbol>()
  /** Lanes that are being drained for good. */
  readonly #leaving = new Set<number>()
  /** Lanes that an operator holds: nothing is read there. */
  readonly #quieted = new Set<number>()
  /** Lanes under whose fence a statement may still run, nobody knows when: nothing is read there until they have a new one. */
  readonly #distrusted = new Set<number>()
  /** Lanes whose last owner died, until they are read. */
  readonly #unclean = new Set<number>()
  /** Monotonic time at which each lane was last reconciled. */
  readonly #reconciledAt = new Map<number, number>()
  #closed = false

  constructor(parts: OwnedLanesParts) {
    this.#parts = parts
  }

  /** The proof for a lane; undefined = not ours. */
  ownership(lane: number): Ownership | undefined {
    return this.#ownerships.get(lane)
  }

  /** Takes lanes. Those in `unclean`, whose last owner died, start under suspicion. */
  async gain(lanes: readonly LaneRow[], workerId: string, unclean: ReadonlySet<number>): Promise<void> {
    const fences = new Map(lanes.map(({ lane, fence }) => [lane, fence]))
    const ownership = { workerId, fences, backend: this.#parts.options.name }
    const numbers = lanes.map(({ lane }) => lane)
    const turn = this.#begin(numbers)
    for (const { lane, holdLeft } of lanes) {
      this.#ownerships.set(lane, ownership)
      this.#leaving.delete(lane)
      this.#distrusted.delete(lane)
      if (unclean.has(lane)) this.#unclean.add(lane)
      else this.#unclean.delete(lane)
      if (holdLeft === null) this.#quieted.delete(lane)
      else this.#quieted.add(lane)
    }
    // A lane that was lost a moment ago may have events in hand still.
    await this.#quiet(numbers, 'delivered')
    await this.#open(numbers, turn)
  }

  /**
   * An operator holds these lanes, or they are to have new fences: reads them no more. Resolves, when none of their events is in
   * hand, `but` for what is locked, with those still ours.
   */
  async hush(lanes: readonly number[], but: Exception = 'nothing'): Promise<readonly number[]> {
    const ours = lanes.filter((lane) => this.#ownerships.has(lane) && !this.#leaving.has(lane))
    const turn = this.#begin(ours)
    for (const lane of ours) this.#quieted.add(lane)
    await this.#quiet(ours, but)
    return ours.filter((lane) => this.#turns.get(lane) === turn)
  }

  /** The store gave these lanes new fences. */
  refence(lanes: readonly LaneRow[], workerId: string): void {
    const fences = new Map(lanes.map(({ lane, fence }) => [lane, fence]))
    const ownership = { workerId, fences, backend: this.#parts.options.name }
    for (const { lane } of lanes) {
      this.#distrusted.delete(lane)
      if (this.#ownerships.has(lane)) this.#ownerships.set(lane, ownership)
    }
  }

  /**
   * A statement under the fence of these lanes ended without an answer: they are not read on before they have a new
   * one.
   */
  distrust(lanes: readonly number[]): void {
    const news = lanes.filter((lane) => this.#ownerships.has(lane) && !this.#distrusted.has(lane))
    if (news.length === 0) return
    for (const lane of news) this.#distrusted.add(lane)
    // One that is held already is about to be answered for.
    void this.hush(
      news.filter((lane) => !this.#quieted.has(lane)),
      'delivered',
    )
    this.#parts.options.lease.onDoubt()
  }

  isDistrusted(lane: number): boolean {
    return this.#distrusted.has(lane)
  }

  /** These lanes are no longer held: reads them from the head. */
  async resume(lanes: readonly number[]): Promise<void> {
    for (const lane of lanes) this.#quieted.delete(lane)
    await this.reconcile(lanes)
  }

  /** Reconciles the lanes whose turn has come, so that what plain SQL did is found within `reconcileInterval`. */
  patrol(): void {
    const { options, inHand } = this.#parts
    const now = performance.now()
    const due = [...this.#reconciledAt]
      .map(([lane, at]) => ({ lane, age: (now - at) / options.reconcileInterval }))
      .filter(({ lane, age }) => age >= 1 || (age >= EARLY && inHand.countIn(lane) === 0))
      .filter(({ lane }) => !this.#doubted.has(lane))
      .sort((a, b) => b.age - a.age)
      .filter(({ age }, n) => n < AT_ONCE || age >= 1)
      .map(({ lane }) => lane)
    // Each by itself: one that waits for what it has in hand keeps no other waiting.
    for (const lane of due) this.lookAgain(lane)
  }

  /** An operator changed events of these lanes: starts again with what the store says. */
  async reconcile(lanes: readonly number[]): Promise<void> {
    const ours = lanes.filter((lane) => this.#isReadable(lane))
    const turn = this.#begin(ours)
    await this.#quiet(ours, 'locked')
    await this.#open(ours, turn)
  }

  /** A head that did not come back when it was due was changed by hand: asks the store what holds the lane's keys. */
  doubt(lane: number, dueAt: number | null): void {
    if (dueAt !== null && performance.now() >= dueAt + OVERDUE) this.lookAgain(lane)
  }

  /** The store knows better than we do what holds this lane's keys: asks it. */
  lookAgain(lane: number): void {
    if (!this.#doubted.has(lane)) void this.#lookAgainAt(lane)
  }

  async #lookAgainAt(lane: number): Promise<void> {
    this.#doubted.add(lane)
    try {
      await this.reconcile([lane])
    } catch (error) {
      this.#parts.options.onError(error)
    } finally {
      this.#doubted.delete(lane)
    }
  }

  #isReadable(lane: number): boolean {
    return this.#ownerships.has(lane) && !this.#leaving.has(lane) && !this.#quieted.has(lane)
  }

  /** Stops working on lanes and resolves when none of their events is in flight. */
  async drain(lanes: readonly number[]): Promise<void> {
    const turn = this.#begin(lanes)
    for (const lane of lanes) this.#leaving.add(lane)
    await this.#quiet(lanes, 'locked')
    const left = Promise.all(lanes.map((lane) => this.#parts.inHand.empty(lane)))
    await settles(left, { timeout: LONGEST_FAREWELL })
    for (const lane of lanes) {
      if (this.#turns.get(lane) !== turn) continue
      this.#parts.held.forget(lane)
      this.#ownerships.delete(lane)
      this.#leaving.delete(lane)
      this.#quieted.delete(lane)
      this.#distrusted.delete(lane)
      this.#unclean.delete(lane)
      this.#turns.delete(lane)
    }
  }

  /** All lanes are gone, or must go. Resolves when nothing is in flight any more. */
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

  /** Reads these lanes no more, gives back what was not sent, and waits for the rest to be recorded, `but` for what is locked. */
  async #quiet(lanes: readonly number[], but: Exception = 'nothing'): Promise<void> {
    const { reader, conclusion, inHand } = this.#parts
    const given = new Set(lanes)
    for (const lane of lanes) {
      reader.close(lane)
      this.#reconciledAt.delete(lane)
    }
    conclusion.giveBackWhere((event) => given.has(event.lane))
    await Promise.all(lanes.map((lane) => inHand.empty(lane, but)))
  }

  /**
   * Learns what holds the lanes' keys, then reads them; tries until it is known or the lanes are gone. A drain tries
   * once: its caller is told when the store fails.
   */
  async #open(lanes: readonly number[], turn: symbol): Promise<void> {
    const { options, held, inHand, reader, onOpened } = this.#parts
    const { concurrency, batchSize, store, names, onError, budget } = options
    const stillOurs = (lane: number): boolean =>
      !this.#closed && this.#turns.get(lane) === turn && !this.#quieted.has(lane)
    for (let ours = lanes.filter(stillOurs); ours.length > 0; ours = lanes.filter(stillOurs)) {
      try {
        const heads = await store.relay.reconcile(names, ours)
        const now = performance.now()
        const opened = lanes.filter(stillOurs)
        for (const lane of opened) held.reset(lane, heads, now, (id) => inHand.waitsForLock(id))
        // At most this many events of a lane can have been in flight when its owner died.
        reader.open(opened, (lane) => (this.#unclean.has(lane) ? concurrency * batchSize : 0))
        for (const lane of opened) {
          this.#unclean.delete(lane)
          // Not all at one time again: a lane is next when a random part of the interval is over.
          this.#reconciledAt.set(lane, now - Math.random() * EARLY * options.reconcileInterval)
        }
        onOpened()
        // Due, and not brought back: its row is locked.
        const locked = new Set(heads.filter(({ dueIn }) => dueIn !== null && dueIn <= 0).map(({ lane }) => lane))
        for (const lane of locked) setTimeout(() => this.lookAgain(lane), LOCKED_AGAIN).unref()
        return
      } catch (error) {
        if (budget !== undefined) throw error
        onError(error)
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN))
      }
    }
  }
}
