import type { Pause } from '../foundation/pause.ts'
import type { FetchedRow, LaneCursor, RelayStore } from '../store/relay-store.ts'
import { BoundedFetch, type ReadRow } from './bounded-fetch.ts'
import { type Floor, Floors } from './floors.ts'
import type { InHand } from './in-hand.ts'
import type { Lane } from './lane.ts'
import { HEAD, LAST, type LaneFind, type LanePosition } from './lane-position.ts'
import { openOf } from './open-lane.ts'
import type { Pace } from './pace.ts'
import { Parked } from './parked.ts'
import { type ReadPlan, ReadPlanner } from './read-plan.ts'

/** A sweep takes at most this share of the time, so that a long-open transaction elsewhere cannot slow the relay. */
const SWEEP_SHARE = 0.05
const SWEEP_INTERVAL = 25
/** A sweep that is due waits for what was announced, but no longer than this, in ms. */
const SWEEP_GRACE = 100
/**
 * After a read that found little the next waits while events come fast: as long as that read took, and no longer than this, in ms. So
 * reads take half of the time at most, and under many small commits several are read at once.
 */
const LONGEST_GAP = 5
const LITTLE = 50
/** Rows that a read finds in each ms, at the least, where it meets little else. */
const ROWS = 4

/**
 * Reads due events of the owned lanes of one backend: from the cursor while there is a backlog, from the head by a sweep that
 * finds what committed late, was requeued or became due. Correctness rests on the sweep alone.
 *
 * A transaction that commits late leaves an event below the cursor, and the next of its key may be published at once. So what a
 * read from the cursor finds beyond the lane's horizon waits for a sweep, and where everything is beyond it the read is one.
 */
export class LaneReader {
  readonly #store: RelayStore
  readonly #names: readonly string[]
  readonly #fetching: BoundedFetch
  readonly #inHand: InHand
  readonly #pace: Pace
  readonly #rest: Pick<Pause, 'endWithin'>
  readonly #lanes: ReadonlyMap<number, Lane>
  readonly #floors: Floors
  readonly #planner: ReadPlanner
  readonly #parked: Parked
  /** A sweep was due, and had to wait. */
  #owesSweep = false
  #sweepAt = Number.NEGATIVE_INFINITY
  /** Something was announced since the last read. */
  #isCalled = false
  #readAt = 0
  #hasForgotten = false
  /** The next read is of all lanes that are to be read. */
  #isWhole = false
  /** The greatest `seq` that anything was seen to have. */
  #greatest = HEAD

  constructor(
    store: RelayStore,
    names: readonly string[],
    /** Those that are open are read. */
    lanes: ReadonlyMap<number, Lane>,
    inHand: InHand,
    /** Told of all that is found. */
    pace: Pace,
    /** The rest between two reads: it ends when something is to be read that is not announced. */
    rest: Pick<Pause, 'endWithin'>,
  ) {
    this.#store = store
    this.#lanes = lanes
    this.#rest = rest
    this.#names = names
    this.#fetching = new BoundedFetch(store, names, inHand.room)
    this.#inHand = inHand
    this.#pace = pace
    this.#floors = new Floors(store)
    this.#planner = new ReadPlanner(lanes, this.#floors)
    this.#parked = new Parked({ store, names, inHand, lanes, onDoubt: () => this.sweepNext() })
  }

  #hasLane(test: (position: LanePosition) => boolean): boolean {
    for (const { position } of this.#lanes.values()) if (position !== undefined && test(position)) return true
    return false
  }

  #position(lane: number): LanePosition | undefined {
    return this.#lanes.get(lane)?.position
  }

  /** Whether a read now may find something: a lane is not known to be dry, or a sweep had to wait. */
  get hungry(): boolean {
    const isDue = this.#owesSweep || performance.now() >= this.#parked.dueAt
    return this.#hasLane(({ dry }) => isDue || !dry)
  }

  /** Whether a drain has read all that is due, but for lanes that wait for locks: those it leaves to the next one. */
  get isDrained(): boolean {
    let waits = false
    for (const { position } of openOf(this.#lanes)) {
      if (position.waitsForLocks) waits = true
      else if (!position.dry) return false
    }
    // To look again whether the lock is still there is always due, when looking takes longer than the wait between.
    return waits || !this.hungry
  }

  /** Whether there is more than the last read found: some lanes were forgotten, as it may be out of date, or left, or it had no room. */
  get hasForgotten(): boolean {
    return this.#hasForgotten
  }

  /** Monotonic time at which the next parked event is due, in ms; without lanes none is. */
  get nextDueAt(): number {
    return this.#hasLane(() => true) ? this.#parked.dueAt : Number.POSITIVE_INFINITY
  }

  /** Something may have been committed: read all lanes again, from their cursors. */
  wake(): void {
    for (const { position } of openOf(this.#lanes)) position.dry = false
    this.#isCalled = true
  }

  /** Read all lanes from the head. */
  rewind(): void {
    for (const { position } of openOf(this.#lanes)) position.rewindTo(HEAD)
    this.#isWhole = true
    this.sweepNext()
  }

  /** An event of this lane goes back unsent: read it again. */
  rewindTo({ position }: Lane, seq: number): void {
    if (position === undefined) return
    position.rewindTo(seq)
    this.#rest.endWithin(SWEEP_INTERVAL)
  }

  /** The store was told that an event is due again in `delay` ms. */
  dueIn(delay: number): void {
    const wait = Math.max(delay, SWEEP_INTERVAL)
    this.#parked.dueAt = Math.min(this.#parked.dueAt, performance.now() + wait)
    this.#rest.endWithin(wait)
  }

  /** The next read is a sweep, whenever the last one was. */
  sweepNext(): void {
    this.#sweepAt = Number.NEGATIVE_INFINITY
    this.#parked.dueAt = 0
  }

  /** Reads up to `space` rows and gives the new ones to `use`, in `seq` order. Returns how many were new. */
  async read(space: number, use: (row: ReadRow, suspect: boolean) => void): Promise<number> {
    const early = this.#readAt - performance.now()
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early))
    const start = performance.now()
    try {
      // What was announced is read first, and what a sweep may find after that.
      const waits = this.#isCalled && performance.now() < this.#sweepAt + SWEEP_GRACE
      this.#isCalled = false
      let fresh = await this.#read(space, !waits, use)
      this.#owesSweep = waits && performance.now() >= this.#sweepAt
      if (this.#owesSweep && fresh === 0) fresh = await this.#read(space, true, use)
      this.#pace.found(fresh)
      const end = performance.now()
      this.#readAt = fresh < LITTLE && this.#pace.isBrisk ? end + Math.min(end - start, LONGEST_GAP) : 0
      return fresh
    } catch (error) {
      this.#floors.forget()
      throw error
    }
  }

  async #read(space: number, maySweep: boolean, use: (row: ReadRow, suspect: boolean) => void): Promise<number> {
    const now = performance.now()
    const isDue = maySweep && now >= this.#sweepAt
    if (isDue || now >= this.#parked.dueAt) await this.#parked.unpark()
    const toEnd = isDue || !this.#hasBacklog
    if (toEnd) await this.#lookAhead()
    const isAsked = this.#floors.areWanted(openOf(this.#lanes), isDue)
    const floor = isAsked ? await this.#floors.next() : undefined
    const { most } = this.#fetching
    const aim = { rows: this.#fetching.rows(space), most, toEnd, isSweep: isDue, isWhole: this.#isWhole }
    this.#isWhole = false
    const plan = this.#planner.plan(aim)
    const fresh = await this.#fetch(plan, use, floor)
    if (isDue) {
      const end = performance.now()
      this.#owesSweep = false
      this.#sweepAt = end + Math.max(SWEEP_INTERVAL, (end - now) / SWEEP_SHARE)
    }
    return fresh
  }

  async #fetch(
    { cursors, ends, heads, isPart, mayBeFew }: ReadPlan,
    use: (row: ReadRow, suspect: boolean) => void,
    floor: Floor | undefined,
  ): Promise<number> {
    if (cursors.length === 0) return 0
    for (const { lane } of cursors) this.#position(lane)?.begin(cursors)
    const isCertain = ({ lane, seq }: FetchedRow): boolean =>
      ends.has(lane) || this.#position(lane)?.isCertain(seq) === true
    let fresh = 0
    try {
      await this.#inHand.duringRead(
        async () => {
          const start = performance.now()
          const isWanted = (row: FetchedRow): boolean => isCertain(row) && !this.#inHand.has(row)
          const find = await this.#fetching.fetch(cursors, isWanted, mayBeFew)
          const duration = performance.now() - start
          if (find.rows.length < Math.max(LITTLE, ROWS * duration)) this.#floors.took(duration, heads)
          await this.#leaveFloors(ends)
          return find
        },
        ({ rows, cut }) => {
          // Keys, and with them order, are of one lane: what went back in one, or was opened again, makes no other wait.
          const numbers = cursors.map(({ lane }) => lane)
          const stale = new Set(numbers.filter((lane) => this.#position(lane)?.isStillIn(cursors) !== true))
          this.#hasForgotten = stale.size > 0 || cut.size > 0 || isPart
          for (const { seq } of rows) this.#saw(seq)
          const current = stale.size === 0 ? rows : rows.filter(({ lane }) => !stale.has(lane))
          const certain = current.filter(isCertain)
          const read = cursors.filter(({ lane }) => !stale.has(lane))
          this.#advance(read, current, ends, cut, floor)
          for (const row of certain) {
            const lane = this.#position(row.lane)
            if (lane === undefined || row.withheld !== null || this.#inHand.has(row)) continue
            fresh++
            const suspect = lane.suspects > 0
            if (suspect) lane.suspects--
            use(row, suspect)
          }
        },
      )
    } finally {
      this.#fetching.end()
    }
    return fresh
  }

  /** After a read: who might have written below a floor has committed, perhaps, and later ones of its keys may have been found. */
  async #leaveFloors(ends: ReadonlyMap<number, Floor | undefined>): Promise<void> {
    const lanes = [...ends.keys()].filter((lane) => ends.get(lane) !== undefined)
    const ended = await this.#floors.ended(lanes.flatMap((lane) => ends.get(lane) ?? []))
    for (const lane of lanes) {
      if (ended === undefined) this.#position(lane)?.rewindTo(HEAD)
      else this.#position(lane)?.leave(ended)
    }
  }

  /** Whether a read from the cursors would find anything that need not wait for a sweep. */
  get #hasBacklog(): boolean {
    return this.#hasLane(({ hasBacklog }) => hasBacklog)
  }

  /** How far events reach, seen in one lane that has a backlog: what is there before a sweep need not wait for the next one. */
  async #lookAhead(): Promise<void> {
    for (const { number, position } of openOf(this.#lanes)) {
      if (!position.isLong || position.catchingUp) continue
      const last = await this.#store.lastSeq(this.#names, number)
      this.#saw(Math.min(last ?? HEAD, LAST))
      return
    }
  }

  #saw(seq: number): void {
    this.#greatest = Math.max(this.#greatest, seq)
    this.#floors.saw(seq)
  }

  /** `cut`: lanes that have more than was found, although it is less than was asked for. */
  #advance(
    cursors: readonly LaneCursor[],
    rows: readonly FetchedRow[],
    ends: ReadonlyMap<number, unknown>,
    cut: ReadonlySet<number>,
    floor: Floor | undefined,
  ): void {
    const finds = new Map<number, { -readonly [name in keyof LaneFind]: LaneFind[name] }>()
    for (const { lane, limit } of cursors) finds.set(lane, { count: 0, last: HEAD, limit: cut.has(lane) ? 0 : limit })
    for (const { lane, seq } of rows) {
      const find = finds.get(lane)
      if (find === undefined) continue
      find.count++
      find.last = Math.max(find.last, seq)
    }
    for (const [lane, find] of finds) {
      const position = this.#position(lane)
      if (ends.has(lane)) {
        position?.swept(find, this.#greatest)
        if (floor !== undefined && this.#floors.isKnown(floor)) position?.raise(floor, find)
      } else position?.advanced(find)
    }
  }
}
