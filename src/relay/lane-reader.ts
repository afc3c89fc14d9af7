import type { Pause } from '../foundation/pause.ts'
import type { FetchedRow, LaneCursor, RelayStore, UnparkReport } from '../store/relay-store.ts'
import { BoundedFetch, type ReadRow } from './bounded-fetch.ts'
import type { InHand } from './in-hand.ts'
import type { Lane } from './lane.ts'
import { HEAD, LAST, type LaneFind, type LanePosition } from './lane-position.ts'
import type { Pace } from './pace.ts'

/**
 * Parked rows brought back for one lane in one statement. When the first of them stay, since a row is locked, the next statement
 * looks at twice as many, up to the second number: what waits for one row holds up no other key.
 */
const UNPARK_LIMIT = 2_000
const MOST_LOOKED_AT = 16_000
/** A sweep takes at most this share of the time, so that a long-open transaction elsewhere cannot slow the relay. */
const SWEEP_SHARE = 0.05
const SWEEP_INTERVAL = 25
/**
 * After a read that found little the next waits this long, in ms, while events come fast: under many small commits they are
 * then read by the dozen rather than one by one.
 */
const READ_GAP = 5
const LITTLE = 50

interface OpenLane {
  readonly number: number
  readonly lane: Lane
  readonly position: LanePosition
}

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
  #sweepAt = 0
  #unparkAt = 0
  #unparkLimit = UNPARK_LIMIT
  #readAt = 0
  #hasForgotten = false
  /** From which lane on a read that cannot ask for all begins. */
  #turn = 0
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
  }

  /** The lanes that are open. */
  #open(): OpenLane[] {
    const open: OpenLane[] = []
    for (const [number, lane] of this.#lanes) {
      if (lane.position !== undefined) open.push({ number, lane, position: lane.position })
    }
    return open
  }

  #hasLane(test: (position: LanePosition) => boolean): boolean {
    for (const { position } of this.#lanes.values()) if (position !== undefined && test(position)) return true
    return false
  }

  #position(lane: number): LanePosition | undefined {
    return this.#lanes.get(lane)?.position
  }

  /** Whether a read now may find something: a lane is not known to be dry, or a sweep is due. */
  get hungry(): boolean {
    const isDue = performance.now() >= this.#unparkAt
    return this.#hasLane(({ dry }) => isDue || !dry)
  }

  /** Whether a drain has read all that is due, but for lanes that wait for locks: those it leaves to the next one. */
  get isDrained(): boolean {
    let waits = false
    for (const { position } of this.#open()) {
      if (position.waitsForLocks) waits = true
      else if (!position.dry) return false
    }
    // To look again whether the lock is still there is always due, when looking takes longer than the wait between.
    return waits || !this.hungry
  }

  /** Whether what the last read found is still there: some lanes were forgotten, as it may be out of date, or it had no room. */
  get hasForgotten(): boolean {
    return this.#hasForgotten
  }

  /** Monotonic time at which the next parked event is due, in ms; without lanes none is. */
  get nextDueAt(): number {
    return this.#hasLane(() => true) ? this.#unparkAt : Number.POSITIVE_INFINITY
  }

  /** Something may have been committed: read all lanes again, from their cursors. */
  wake(): void {
    for (const { position } of this.#open()) position.dry = false
  }

  /** Read all lanes from the head. */
  rewind(): void {
    for (const { position } of this.#open()) position.rewindTo(HEAD)
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
    this.#unparkAt = Math.min(this.#unparkAt, performance.now() + wait)
    this.#rest.endWithin(wait)
  }

  /** The next read is a sweep, whenever the last one was. */
  sweepNext(): void {
    this.#sweepAt = 0
    this.#unparkAt = 0
  }

  /** Reads up to `space` rows and gives the new ones to `use`, in `seq` order. Returns how many were new. */
  async read(space: number, use: (row: ReadRow, suspect: boolean) => void): Promise<number> {
    const early = this.#readAt - performance.now()
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early))
    const now = performance.now()
    const isDue = now >= this.#sweepAt
    if (isDue || now >= this.#unparkAt) await this.#unpark()
    const sweep = isDue || !this.#hasBacklog
    if (sweep) await this.#lookAhead()
    const fresh = await this.#fetch(this.#cursors(space, sweep), use)
    this.#pace.found(fresh)
    this.#readAt = fresh < LITTLE && this.#pace.isBrisk ? performance.now() + READ_GAP : 0
    if (isDue) {
      const end = performance.now()
      this.#sweepAt = end + Math.max(SWEEP_INTERVAL, (end - now) / SWEEP_SHARE)
    }
    return fresh
  }

  async #fetch(cursors: readonly LaneCursor[], use: (row: ReadRow, suspect: boolean) => void): Promise<number> {
    if (cursors.length === 0) return 0
    for (const { lane } of cursors) this.#position(lane)?.begin(cursors)
    const fromHead = new Set(cursors.filter(({ after }) => after === HEAD).map(({ lane }) => lane))
    const isCertain = ({ lane, seq }: FetchedRow): boolean =>
      fromHead.has(lane) || this.#position(lane)?.isCertain(seq) === true
    let fresh = 0
    try {
      await this.#inHand.duringRead(
        () => this.#fetching.fetch(cursors, (row) => isCertain(row) && !this.#inHand.has(row)),
        ({ rows, cut }) => {
          // Keys, and with them order, are of one lane: what went back in one, or was opened again, makes no other wait.
          const numbers = cursors.map(({ lane }) => lane)
          const stale = new Set(numbers.filter((lane) => this.#position(lane)?.isStillIn(cursors) !== true))
          this.#hasForgotten = stale.size > 0 || cut.size > 0
          for (const { seq } of rows) this.#greatest = Math.max(this.#greatest, seq)
          const current = stale.size === 0 ? rows : rows.filter(({ lane }) => !stale.has(lane))
          const certain = current.filter(isCertain)
          const read = cursors.filter(({ lane }) => !stale.has(lane))
          this.#advance(read, current, fromHead, cut)
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

  /** Whether a read from the cursors would find anything that need not wait for a sweep. */
  get #hasBacklog(): boolean {
    return this.#hasLane(({ hasBacklog }) => hasBacklog)
  }

  /** How far events reach, seen in one lane that has a backlog: what is there before a sweep need not wait for the next one. */
  async #lookAhead(): Promise<void> {
    for (const { number, position } of this.#open()) {
      if (!position.isLong || position.catchingUp) continue
      const last = await this.#store.lastSeq(this.#names, number)
      this.#greatest = Math.max(this.#greatest, Math.min(last ?? HEAD, LAST))
      return
    }
  }

  async #unpark(): Promise<void> {
    // Or the head of a key comes back alone, and a later event goes before those still on their way to be parked.
    await this.#inHand.parked()
    const asked = this.#open()
    if (asked.length === 0) return
    const now = performance.now()
    const limit = this.#unparkLimit
    let report: UnparkReport
    try {
      const numbers = asked.map(({ number }) => number)
      report = await this.#store.unpark(this.#names, numbers, limit)
    } catch (error) {
      // It may have brought rows back, or may yet: it is not known which.
      this.#unparkLimit = UNPARK_LIMIT
      for (const { position } of asked) position.distrust()
      this.sweepNext()
      throw error
    }
    const { woken, heads, locked, more, nextDueIn } = report
    this.#unparkAt = nextDueIn === null ? Number.POSITIVE_INFINITY : now + nextDueIn
    const moved = new Map(woken.map(({ lane, count }) => [lane, count]))
    const lockedIn = Map.groupBy(locked, ({ lane }) => lane)
    for (const { number, lane, position } of asked) {
      if (this.#lanes.get(number) === lane) lane.keys.woke(moved.has(number) ? heads : [], lockedIn.get(number) ?? [])
      position.catchingUp = more.includes(number)
      position.waitsForLocks = position.catchingUp && limit >= MOST_LOOKED_AT && !moved.has(number)
    }
    for (const { lane, firstSeq } of woken) this.#position(lane)?.rewindTo(firstSeq)
    if (more.some((lane) => (moved.get(lane) ?? 0) < limit)) this.#unparkLimit = Math.min(2 * limit, MOST_LOOKED_AT)
    else if (locked.length === 0) this.#unparkLimit = UNPARK_LIMIT
    // A lane that was opened meanwhile was not asked about.
    for (const { number, position } of this.#open()) {
      if (position.catchingUp && !more.includes(number)) this.#unparkAt = 0
    }
  }

  #cursors(space: number, sweep: boolean): readonly LaneCursor[] {
    const all = this.#open().filter(({ position }) => !position.catchingUp && (sweep || !position.dry))
    const { most } = this.#fetching
    const readable = all.length <= most ? all : this.#some(all, Math.floor(most))
    if (readable.length === 0) return []
    const limit = Math.max(1, Math.ceil(this.#fetching.rows(space) / readable.length))
    // Lanes that have little wait for no backlog of others: they are read from their heads in the same statement.
    return readable.map(({ number, lane, position }) =>
      sweep || !position.hasBacklog
        ? { lane: number, after: HEAD, limit: limit + lane.hand.leftOut }
        : { lane: number, after: position.cursor, limit },
    )
  }

  /** As many as may be asked now, each in its turn. */
  #some<T>(all: readonly T[], count: number): readonly T[] {
    const from = this.#turn % all.length
    this.#turn += count
    return [...all.slice(from), ...all.slice(0, from)].slice(0, count)
  }

  /** `cut`: lanes that have more than was found, although it is less than was asked for. */
  #advance(
    cursors: readonly LaneCursor[],
    rows: readonly FetchedRow[],
    fromHead: ReadonlySet<number>,
    cut: ReadonlySet<number>,
  ): void {
    const finds = new Map<number, LaneFind>()
    for (const { lane, limit } of cursors) finds.set(lane, { count: 0, last: HEAD, limit: cut.has(lane) ? 0 : limit })
    for (const { lane, seq } of rows) {
      const { count, last, limit } = finds.get(lane) ?? { count: 0, last: HEAD, limit: 0 }
      finds.set(lane, { count: count + 1, last: Math.max(last, seq), limit })
    }
    for (const [lane, find] of finds) {
      if (fromHead.has(lane)) this.#position(lane)?.swept(find, this.#greatest)
      else this.#position(lane)?.advanced(find)
    }
  }
}
