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
  /** Ran already when it was asked who may have written below, and had not ended: it holds for as long as all of these run. */
  readonly guard: ReadonlySet<string>
  /** What it was learned from: see `Floors.forget`. */
  readonly source: object
}

/** Reads from the heads of lanes that take longer than this, in ms, are dear: floors are used, and sweeps read some lanes each. */
const DEAR = 3
const NONE: ReadonlySet<string> = new Set()

/** Keeps reads of the ends of lanes cheap while reads from their heads are not. */
export class Floors {
  readonly #store: Pick<RelayStore, 'writers'>
  #source: object = {}
  /** When it was last asked: who might have had a number up to this one. */
  #asked: { readonly upTo: number; readonly writers: Writers } | undefined
  /** The greatest number that was seen, for a store that does not tell what was drawn. */
  #seen = HEAD
  /** Lanes that may be read from their heads in `DEAR` ms, by the last such read. */
  #most = Number.POSITIVE_INFINITY

  constructor(store: Pick<RelayStore, 'writers'>) {
    this.#store = store
  }

  /** How many of so many lanes a sweep reads from the head. */
  headsOf(lanes: number): number {
    return this.#store.writers === undefined ? lanes : Math.max(1, Math.min(lanes, Math.floor(this.#most)))
  }

  /** Whether the floors of these lanes are to be raised by the next read: in sweeps, while reads from the heads are dear. */
  areWanted(lanes: readonly OpenLane[], isSweep: boolean): boolean {
    if (this.headsOf(lanes.length) >= lanes.length) return false
    return isSweep || lanes.some(({ position }) => !this.isKnown(position.floor))
  }

  /** So many lanes were read from their heads in `duration` ms, and little was found. */
  took(duration: number, heads: number): void {
    if (heads > 0) this.#most = (DEAR * heads) / Math.max(duration, 0.001)
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
    this.#asked = undefined
    this.#seen = HEAD
  }

  /**
   * Before a read: the floor of each lane that it reads to its end; undefined = not known. Who ran when it was last asked had
   * drawn all numbers up to one that was known before; those of them that have ended since are there to be read.
   */
  async next(): Promise<Floor | undefined> {
    const writers = await this.#writers()
    if (writers === undefined) return undefined
    if (this.#asked !== undefined && isAnother(writers, this.#asked.writers)) this.forget()
    const before = this.#asked
    const drawn = writers.drawn === undefined ? this.#seen : (before?.writers.drawn ?? HEAD)
    this.#asked = { upTo: Math.min(drawn, LAST), writers }
    if (before === undefined || before.upTo === HEAD) return undefined
    const guard = before.writers.running.intersection(writers.running)
    return { after: before.upTo, guard: guard.size === 0 ? NONE : guard, source: this.#source }
  }

  /** After a read from these floors: whether all of their guards run still, so that nothing of theirs was there to be read. */
  async hold(floors: readonly Floor[]): Promise<boolean> {
    const guards = new Set(floors.map(({ guard }) => guard).filter(({ size }) => size > 0))
    if (guards.size === 0) return true
    const writers = await this.#writers()
    if (writers === undefined || writers.server !== this.#asked?.writers.server) return false
    return [...guards].every((guard) => guard.isSubsetOf(writers.running))
  }

  /** Undefined = it is not known: reads from the heads are right, however dear. */
  async #writers(): Promise<Writers | undefined> {
    return this.#store.writers?.().catch(() => undefined)
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
