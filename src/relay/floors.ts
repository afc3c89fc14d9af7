import type { RelayStore, Writers } from '../store/relay-store.ts'
import { HEAD, LAST } from './lane-position.ts'
import type { OpenLane } from './open-lane.ts'

/**
 * Where to begin to read a lane, so as to find all that may come to light at its end: what stands below was decided, and seen.
 *
 * A transaction held open anywhere keeps the index entries of all that was delivered since, and a read from the head meets
 * each of them. Below a floor nothing appears but by plain SQL, which sweeps from the head find.
 */
export interface Floor {
  readonly after: number
  /**
   * Ran already when it was asked who may have written below, and had not ended: it holds for as long as all of these run. Of each a
   * number that had been drawn before it drew its first.
   */
  readonly guard: ReadonlyMap<string, number>
  /** What it was learned from: see `Floors.forget`. */
  readonly source: object
}

/**
 * Reads from the heads of lanes that take longer than this, in ms, beside what any statement takes, are dear: floors are used, and
 * sweeps read some lanes each.
 */
const DEAR = 3
/** What any statement takes is measured again after this long, in ms. */
const TRIP_AGAIN = 1_000
/** Lanes that have no floor yet are read from their heads in parts that take so long, in ms. */
const OPENING = 50
/** Floors rest on an answer that is so old, in ms: who has begun since guards none, and most transactions are shorter. */
const AGE = 250
/** The first tells a number, the second who may have written below it, and the third which of these have ended. */
const ANSWERS = 3

/** Who may have had a number up to this one, when it was asked. */
interface Asked {
  readonly upTo: number
  readonly writers: Writers
  readonly at: number
}

/** Keeps reads of the ends of lanes cheap while reads from their heads are not. */
export class Floors {
  readonly #store: Pick<RelayStore, 'writers'>
  readonly #age: number
  #source: object = {}
  /** The answers that floors rest on, now or later, the oldest first. */
  #asked: Asked[] = []
  /** Of each that ran when it was last asked: a number that had been drawn before it drew its first. */
  #begun: ReadonlyMap<string, number> = new Map()
  /** The greatest number that was seen, for a store that does not tell what was drawn. */
  #seen = HEAD
  /** Lanes that may be read from their heads in `DEAR` ms, by the last such read: with what any statement takes, and without. */
  #most = { gross: Number.POSITIVE_INFINITY, net: Number.POSITIVE_INFINITY }
  /** What any statement takes, by one that reads little, in ms; and the monotonic time at which that was measured. */
  #trip = { takes: 0, at: Number.NEGATIVE_INFINITY }

  constructor(store: Pick<RelayStore, 'writers'>, age = AGE) {
    this.#store = store
    this.#age = age
  }

  /** How many of so many lanes a sweep reads from the head. */
  headsOf(lanes: number): number {
    return this.#store.writers === undefined ? lanes : Math.max(1, Math.min(lanes, Math.floor(this.#most.net)))
  }

  /** How many of so many lanes without a floor a read begins at their heads. */
  opensOf(lanes: number): number {
    return this.#store.writers === undefined ? lanes : Math.max(1, Math.floor((this.#most.net * OPENING) / DEAR))
  }

  /** Whether the floors of these lanes are to be raised by the next read: in sweeps, while reads from the heads are dear. */
  areWanted(lanes: readonly OpenLane[], isSweep: boolean): boolean {
    if (this.#store.writers === undefined || this.#most.gross >= lanes.length) return false
    // Or it is only that the server is far away: that is measured by asking it.
    if (this.headsOf(lanes.length) >= lanes.length) return isSweep && performance.now() >= this.#trip.at + TRIP_AGAIN
    return isSweep || lanes.some(({ position }) => !this.isKnown(position.floor))
  }

  /** So many lanes were read from their heads in `duration` ms, and little was found. */
  took(duration: number, heads: number): void {
    const mostIn = (ms: number): number => (DEAR * heads) / Math.max(ms, 0.001)
    if (heads > 0) this.#most = { gross: mostIn(duration), net: mostIn(duration - this.#trip.takes) }
  }

  /** An event has this number. */
  saw(seq: number): void {
    this.#seen = Math.max(this.#seen, seq)
  }

  /** Whether the floor holds, by what is known here. */
  isKnown(floor: Floor | undefined): floor is Floor {
    return floor?.source === this.#source
  }

  /** Nothing is known any more: the database did not answer, and may be another one when it does. Numbers may be drawn once more. */
  forget(): void {
    this.#source = {}
    this.#asked = []
    this.#begun = new Map()
    this.#seen = HEAD
  }

  /**
   * Before a read: the floor of each lane that it reads to its end; undefined = not known. Who ran when it was asked before had
   * drawn all numbers up to one that was known already; those of them that have ended since are there to be read.
   */
  async next(): Promise<Floor | undefined> {
    for (let n = 0; n < ANSWERS; n++) {
      const writers = await this.#writers()
      if (writers === undefined) return undefined
      const floor = this.#floor(writers)
      if (floor !== undefined) return floor
    }
    return undefined
  }

  #floor(writers: Writers): Floor | undefined {
    const last = this.#asked.at(-1)
    if (last !== undefined && isAnother(writers, last.writers)) this.forget()
    const [now, before] = [performance.now(), this.#asked.at(-1)]
    const drawn = writers.drawn === undefined ? this.#seen : (before?.writers.drawn ?? HEAD)
    // Who did not run when it was asked before has drawn only since.
    const begun = new Map([...writers.running].map((id) => [id, this.#begun.get(id) ?? before?.upTo ?? HEAD]))
    while (this.#asked.length > 1 && (this.#asked[1]?.at ?? now) <= now - this.#age) this.#asked.shift()
    if (this.#asked[0]?.upTo === HEAD) this.#asked.shift()
    const base = this.#asked[0]
    this.#asked.push({ upTo: Math.min(drawn, LAST), writers, at: now })
    this.#begun = begun
    if (base === undefined) return undefined
    const guard = new Map([...begun].filter(([id]) => base.writers.running.has(id)))
    return { after: base.upTo, guard, source: this.#source }
  }

  /**
   * After a read from these floors: those of their guards that have ended, so that it may have missed what they wrote, and seen what
   * follows it. Undefined = it is not known.
   */
  async ended(floors: readonly Floor[]): Promise<ReadonlySet<string> | undefined> {
    const guards = new Set(floors.flatMap(({ guard }) => [...guard.keys()]))
    if (guards.size === 0) return guards
    const writers = await this.#writers()
    if (writers === undefined || writers.server !== this.#asked.at(-1)?.writers.server) return undefined
    return guards.difference(writers.running)
  }

  /** Undefined = it is not known: reads from the heads are right, however dear. */
  async #writers(): Promise<Writers | undefined> {
    const start = performance.now()
    const writers = await this.#store.writers?.().catch(() => undefined)
    const at = performance.now()
    if (writers !== undefined) this.#trip = { takes: at - start, at }
    return writers
  }
}

/** Whether numbers that were drawn by then may be drawn once more: it is another server, or the sequence was set back. */
function isAnother(now: Writers, then: Writers): boolean {
  return now.server !== then.server || (now.drawn ?? HEAD) < (then.drawn ?? HEAD)
}

/** Where to begin: `HEAD` where no floor is known. */
export function startOf(floor: Floor | undefined): number {
  return floor?.after ?? HEAD
}
