import type { Floor } from './floors.ts'

/** Before every `seq` that a row may have: plain SQL may have given it a negative one. */
export const HEAD = Number.MIN_SAFE_INTEGER
/**
 * The greatest cursor. A greater `seq`, which only plain SQL gives, is read as a number near it, perhaps as one that no column
 * can hold: rows from here on are read again until they are settled.
 */
export const LAST = Number.MAX_SAFE_INTEGER - 1

/** What a read found in one lane. */
export interface LaneFind {
  readonly count: number
  /** The greatest `seq` of what was found; `HEAD` without any. */
  readonly last: number
  /** How many rows were asked for at most. */
  readonly limit: number
}

/** How far one owned lane was read. */
export class LanePosition {
  /** The last read found all that there was. */
  dry = false
  /** The last read found as many rows as it asked for: there are more. */
  isLong = true
  /** Parked rows that are due may not all be back in the hot index: a later event of their key would overtake. */
  catchingUp = true
  /** As many as an unpark ever looks at wait for locked rows. */
  waitsForLocks = false
  /** From where its end is to be read; undefined = from its head. */
  floor: Floor | undefined
  /** How many more fetched rows may have been in flight when the last owner died. */
  suspects: number
  #cursor = HEAD
  #horizon = HEAD
  #read: object | undefined

  constructor(suspects: number) {
    this.suspects = suspects
  }

  /** All up to this `seq` was seen that was committed. */
  get cursor(): number {
    return this.#cursor
  }

  /** A read from here begins. */
  begin(read: object): void {
    this.#read = read
  }

  /**
   * Whether what a read found still counts. One that began before the position went back must be forgotten, or what it found overtakes
   * what is to be read again.
   */
  isStillIn(read: object): boolean {
    return this.#read === read
  }

  /** Whether a read from the cursor may find what need not wait for one from the head. */
  get hasBacklog(): boolean {
    return !this.catchingUp && !this.dry && this.#cursor < this.#horizon
  }

  /**
   * Whether the event of this `seq` was preceded by nothing of its key that we have not seen. The horizon is the greatest `seq`
   * known to have been given out when the lane was last read from its head; beyond it may be what follows one that was committed
   * late.
   */
  isCertain(seq: number): boolean {
    return seq <= this.#horizon
  }

  /** Something from this `seq` on is to be read again. */
  rewindTo(seq: number): void {
    this.#cursor = Math.max(HEAD, Math.min(this.#cursor, seq - 1))
    this.dry = false
    this.#lower(seq)
    this.#read = undefined
  }

  /** These have ended: what was read from a floor that they guard is forgotten, and what they may have written is above it from now on. */
  leave(ended: ReadonlySet<string>): void {
    if (this.floor === undefined) return
    const gone = [...this.floor.guard].filter(([id]) => ended.has(id))
    if (gone.length === 0) return
    const after = Math.min(this.floor.after, ...gone.map(([, begun]) => begun))
    this.rewindTo(after <= HEAD ? HEAD : after + 1)
    if (this.floor === undefined) return
    this.floor = { ...this.floor, guard: new Map([...this.floor.guard].filter(([id]) => !ended.has(id))) }
  }

  /** It is not known which parked rows are back: reads the lane from its head once they are. */
  distrust(): void {
    this.rewindTo(HEAD)
    this.catchingUp = true
    this.waitsForLocks = false
  }

  /** It was read from the head, when `greatest` was known to have been given out. */
  swept({ count, last, limit }: LaneFind, greatest: number): void {
    this.#horizon = Math.min(greatest, LAST)
    this.isLong = count >= limit
    this.dry = !this.isLong
    // One that was cut short has not seen what lies between its last row and the cursor.
    this.#cursor = this.isLong ? Math.min(last, LAST) : Math.max(this.#cursor, this.#horizon)
    this.#clear(count)
  }

  /** It was read from the cursor. What was found beyond the horizon was left. */
  advanced({ count, last, limit }: LaneFind): void {
    const metHorizon = last > this.#horizon
    this.isLong = count >= limit
    this.dry = !this.isLong && !metHorizon
    this.#cursor = Math.max(this.#cursor, this.isLong && !metHorizon ? Math.min(last, LAST) : this.#horizon)
    this.#clear(count)
  }

  /** Its end was read from the floor it had, or from its head; `floor` was learned before that. */
  raise(floor: Floor, { last }: LaneFind): void {
    // One that was cut short has not seen what lies beyond its last row.
    const after = this.isLong ? Math.min(floor.after, last) : floor.after
    if (this.floor?.source !== floor.source || this.floor.after <= after) this.floor = { ...floor, after }
  }

  /** What has this `seq` is to be above the floor. */
  #lower(seq: number): void {
    if (this.floor === undefined || seq > this.floor.after) return
    this.floor = seq <= HEAD ? undefined : { ...this.floor, after: seq - 1 }
  }

  #clear(count: number): void {
    if (this.dry) this.suspects = Math.min(this.suspects, count)
  }
}
