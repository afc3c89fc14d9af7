import { settles } from '../foundation/waiting.ts'
import type { LaneRow } from '../store/coordination-store.ts'
import type { CycleOptions } from './cycle-options.ts'
import type { InHand } from './in-hand.ts'
import { Lane, type LanePhase } from './lane.ts'
import type { Exception } from './lane-hand.ts'
import { dueForLook, lookedAt } from './lane-looks.ts'
import type { LaneReader } from './lane-reader.ts'

/** What a cycle shares with its lanes. */
export interface LanesParts {
  readonly options: CycleOptions
  /** Those that are ours, by number. */
  readonly lanes: Map<number, Lane>
  readonly inHand: InHand
  readonly reader: LaneReader
  /** These are read no more: what waits to be sent goes back. */
  readonly onClosed: (lanes: ReadonlySet<number>) => void
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
/** The lanes of one cycle: how they come, how they go, and what is done with each meanwhile (see `LanePhase`). */
export class Lanes {
  readonly #parts: LanesParts
  readonly #lanes: Map<number, Lane>
  #isClosed = false

  constructor(parts: LanesParts) {
    this.#parts = parts
    this.#lanes = parts.lanes
  }

  /** The lane of this number; undefined = not ours. */
  get(number: number): Lane | undefined {
    return this.#lanes.get(number)
  }

  /** Those that the store says are ours. */
  get owned(): readonly Lane[] {
    return [...this.#lanes.values()].filter(({ phase }) => phase.kind !== 'lost')
  }

  /** Whether the store says that the lane of this number is ours. */
  owns(number: number): boolean {
    return this.#lanes.has(number) && this.#lanes.get(number)?.phase.kind !== 'lost'
  }

  /** Whether what was done in this ownership may still be recorded. */
  has(lane: Lane): boolean {
    return this.#lanes.get(lane.number) === lane && lane.phase.kind !== 'drained'
  }

  /** Takes lanes. Those in `unclean`, whose last owner died, start under suspicion. */
  async gain(rows: readonly LaneRow[], workerId: string, unclean: ReadonlySet<number>): Promise<void> {
    const { inHand, options } = this.#parts
    const fences = new Map(rows.map(({ lane, fence }) => [lane, fence]))
    const ownership = { workerId, fences, backend: options.name }
    const held: Lane[] = []
    const free: Lane[] = []
    for (const row of rows) {
      const earlier = this.#lanes.get(row.lane)
      earlier?.enter({ kind: 'lost' })
      const lane = new Lane(row, ownership, inHand.of(row.lane), unclean.has(row.lane), earlier?.keys)
      this.#lanes.set(lane.number, lane)
      if (row.holdLeft === null) free.push(lane)
      else held.push(lane)
    }
    this.#shareProof(workerId)
    this.#enter(held, 'quiet')
    const phase = this.#enter(free, 'reconciling')
    // A lane that was lost a moment ago may have events in hand still.
    await this.#emptied([...held, ...free], 'delivered')
    await this.#open(free, phase)
  }

  /**
   * An operator holds these lanes, or they are to have new fences: reads them no more. Resolves, when none of their events is in
   * hand, `but` for what is locked, with those for which that is still so.
   */
  async hush(lanes: readonly Lane[], but: Exception = 'nothing'): Promise<readonly Lane[]> {
    const ours = lanes.filter((lane) => this.has(lane) && lane.isKept)
    const phase = this.#enter(ours, 'quiet')
    await this.#emptied(ours, but)
    return ours.filter((lane) => lane.phase === phase)
  }

  /** The store gave this lane a new fence. */
  refence(lane: Lane, fence: number): void {
    lane.isDistrusted = false
    lane.ownership = { ...lane.ownership, fences: new Map([[lane.number, fence]]) }
    if (this.has(lane)) this.#shareProof(lane.ownership.workerId)
  }

  /** A statement under the fence of these lanes ended without an answer: they are not read on before they have a new one. */
  distrust(lanes: readonly Lane[]): void {
    const news = [...new Set(lanes)].filter((lane) => this.has(lane) && !lane.isDistrusted)
    if (news.length === 0) return
    for (const lane of news) lane.isDistrusted = true
    // One that is held already is about to be answered for.
    void this.hush(
      news.filter(({ phase }) => phase.kind !== 'quiet'),
      'delivered',
    )
    this.#parts.options.lease.onDoubt()
  }

  /** These lanes are no longer held: reads them from the head. */
  async resume(lanes: readonly Lane[]): Promise<void> {
    await this.#reconcile(lanes.filter(({ isKept }) => isKept))
  }

  /** Reconciles the lanes whose turn has come, so that what plain SQL did is found within `reconcileInterval`. */
  patrol(): void {
    const due = dueForLook([...this.#lanes.values()], performance.now(), this.#parts.options.reconcileInterval)
    // Each by itself: one that waits for what it has in hand keeps no other waiting.
    for (const lane of due) this.lookAgain(lane)
  }

  /** An operator changed events of these lanes: starts again with what the store says. */
  async reconcile(lanes: readonly Lane[]): Promise<void> {
    await this.#reconcile(lanes.filter(({ phase }) => phase.kind === 'open' || phase.kind === 'reconciling'))
  }

  /** The same, at once or as soon as a look that was begun before is over and the lane was read for a while. */
  async touch(lanes: readonly Lane[]): Promise<void> {
    const later = lanes.filter((lane) => lane.isResting)
    this.#defer(later)
    await this.reconcile(lanes.filter((lane) => !later.includes(lane)))
  }

  /** They are looked at once they were read for a while. */
  #defer(lanes: readonly Lane[]): void {
    const resting = lanes.filter(({ phase, isTouched }) => phase.kind === 'open' && !isTouched)
    for (const lane of lanes) lane.isTouched = true
    this.#touchLater(resting)
  }

  #touchLater(lanes: readonly Lane[]): void {
    if (lanes.length === 0) return
    const rest = Math.max(...lanes.map(({ restsUntil }) => restsUntil)) - performance.now()
    setTimeout(() => {
      const touched = lanes.filter((lane) => lane.isTouched && lane.phase.kind === 'open' && this.has(lane))
      this.reconcile(touched).catch(this.#parts.options.onError)
    }, rest).unref()
  }

  /** A head that did not come back when it was due was changed by hand: asks the store what holds the lane's keys. */
  doubt(lane: Lane, dueAt: number | null): void {
    if (dueAt !== null && performance.now() >= dueAt + OVERDUE) this.lookAgain(lane)
  }

  /**
   * The store knows better than we do what holds this lane's keys: asks it, once it was read for a while. Until then a key that we know
   * as blocked stays so: with a look for each event that an operator brings back a lane of thousands that failed did nothing else. A
   * drain asks at once, or it would end without them.
   */
  lookAgain(lane: Lane): void {
    if (lane.phase.kind === 'open' && lane.isResting && this.#parts.options.budget === undefined) this.#defer([lane])
    else if (!lane.isDoubted) void this.#lookAgainAt(lane)
  }

  async #lookAgainAt(lane: Lane): Promise<void> {
    lane.isDoubted = true
    try {
      await this.reconcile([lane])
    } catch (error) {
      this.#parts.options.onError(error)
    } finally {
      lane.isDoubted = false
    }
  }

  /**
   * Stops working on lanes. Resolves, when none of their events is in flight, with those for which that is still so: they are to be given
   * back, and forgotten.
   */
  async drain(lanes: readonly Lane[]): Promise<readonly Lane[]> {
    const phase = this.#enter(lanes, 'draining')
    await this.#farewell(lanes)
    const drained = lanes.filter((lane) => lane.phase === phase)
    for (const lane of drained) lane.enter({ kind: 'drained' })
    return drained
  }

  /** They are not ours any more. Resolves when nothing of them is in flight; until then the store may be told what was done. */
  async lose(lanes: readonly Lane[]): Promise<void> {
    const phase = this.#enter(lanes, 'lost')
    await this.#farewell(lanes)
    this.forget(lanes.filter((lane) => lane.phase === phase))
  }

  async loseAll(): Promise<void> {
    await this.lose([...this.#lanes.values()])
  }

  /** They were given back. */
  forget(lanes: readonly Lane[]): void {
    for (const lane of lanes) {
      lane.answer = undefined
      if (this.#lanes.get(lane.number) === lane) this.#lanes.delete(lane.number)
    }
  }

  /** The end: no lane is opened after it. Resolves when nothing is in flight any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    const lost = [...this.#lanes.values()].filter(({ phase }) => phase.kind === 'lost')
    await Promise.all([this.drain(this.owned), this.lose(lost)])
  }

  async #farewell(lanes: readonly Lane[]): Promise<void> {
    await this.#emptied(lanes, 'locked')
    await settles(this.#emptied(lanes, 'nothing'), { timeout: LONGEST_FAREWELL })
  }

  /** One proof for all lanes of one worker: what is settled together then takes one statement. */
  #shareProof(workerId: string): void {
    const lanes = [...this.#lanes.values()].filter(({ ownership }) => ownership.workerId === workerId)
    const fences = new Map(lanes.map(({ number, fence }) => [number, fence]))
    const ownership = { workerId, fences, backend: this.#parts.options.name }
    for (const lane of lanes) lane.ownership = ownership
  }

  /** Reads these lanes no more, and gives back what was not sent. Whoever began something in an earlier phase has no say any more. */
  #enter(lanes: readonly Lane[], kind: LanePhase['kind']): LanePhase {
    const phase = { kind }
    for (const lane of lanes) {
      lane.enter(phase)
      if (kind === 'lost') lane.answer = undefined
    }
    if (lanes.length > 0) this.#parts.onClosed(new Set(lanes.map(({ number }) => number)))
    return phase
  }

  /** Waits for what is in hand to be recorded, `but` for what is locked. */
  async #emptied(lanes: readonly Lane[], but: Exception): Promise<void> {
    await Promise.all(lanes.map(({ hand }) => hand.empty(but)))
  }

  async #reconcile(lanes: readonly Lane[]): Promise<void> {
    const ours = lanes.filter((lane) => this.has(lane))
    if (ours.length === 0) return
    const phase = this.#enter(ours, 'reconciling')
    await this.#emptied(ours, 'locked')
    await this.#open(ours, phase)
  }

  /**
   * Learns what holds the lanes' keys, then reads them; tries until it is known or the lanes are gone. A drain tries
   * once: its caller is told when the store fails.
   */
  async #open(lanes: readonly Lane[], phase: LanePhase): Promise<void> {
    const { options, reader, onOpened } = this.#parts
    const { concurrency, batchSize, store, names, onError, budget, reconcileInterval } = options
    const isStillSo = (lane: Lane): boolean => !this.#isClosed && lane.phase === phase
    for (let ours = lanes.filter(isStillSo); ours.length > 0; ours = lanes.filter(isStillSo)) {
      try {
        const numbers = ours.map(({ number }) => number)
        for (const lane of ours) lane.isTouched = false
        const began = performance.now()
        const heads = await store.relay.reconcile(names, numbers)
        const headsOf = Map.groupBy(heads, ({ lane }) => lane)
        const now = performance.now()
        for (const lane of ours.filter(isStillSo)) {
          const known = headsOf.get(lane.number) ?? []
          lane.keys.reset(known, now, (id) => lane.hand.waitsForLock(id))
          // At most this many events of a lane can have been in flight when its owner died.
          lane.open(concurrency * batchSize)
          lane.reconciledAt = lookedAt(now, reconcileInterval)
          lane.rest(now, now - began)
          // Due, and not brought back: its row is locked.
          if (known.some(({ dueIn }) => dueIn !== null && dueIn <= 0))
            setTimeout(() => this.lookAgain(lane), LOCKED_AGAIN).unref()
        }
        this.#touchLater(ours.filter(({ phase, isTouched }) => phase.kind === 'open' && isTouched))
        reader.sweepNext()
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
