import { FEW, type LaneCursor } from '../store/relay-store.ts'
import { type Floor, type Floors, startOf } from './floors.ts'
import type { Lane } from './lane.ts'
import { HEAD } from './lane-position.ts'
import { type OpenLane, openOf } from './open-lane.ts'

/** What a read asks for. */
export interface ReadPlan {
  readonly cursors: readonly LaneCursor[]
  /** The lanes that it reads to their ends, each from this floor, or from its head. */
  readonly ends: ReadonlyMap<number, Floor | undefined>
  /** How many lanes from their heads. */
  readonly heads: number
  /** Lanes that are not known to be dry were left for the next read: all of them together take too long. */
  readonly isPart: boolean
  /** All of them are read to their ends, had no more than was found the last time, and as many rows are asked for as are a few. */
  readonly mayBeFew: boolean
}

/** Where one lane is read. `floor`: where its end begins, if it is read to its end. */
interface Start extends OpenLane {
  readonly isEnd: boolean
  readonly floor: Floor | undefined
  readonly after: number
}

/** How much a read asks for, and how far it goes. */
export interface ReadAim {
  /** Rows of all lanes together. */
  readonly rows: number
  /** Lanes that may be asked for. */
  readonly most: number
  /** All lanes are read to their ends. */
  readonly toEnd: boolean
  /** It is a sweep: as many lanes as time allows are read from their heads. */
  readonly isSweep: boolean
  /** No lane is left for another read, however long all of them take. */
  readonly isWhole: boolean
}

const NONE: ReadonlySet<number> = new Set()

/** Chooses where each lane is read. */
export class ReadPlanner {
  readonly #lanes: ReadonlyMap<number, Lane>
  readonly #floors: Floors
  /** From which lane on a read begins that cannot ask for all, a sweep that cannot read all from their heads, and one that opens some. */
  #turns = { read: 0, sweep: 0, open: 0 }

  constructor(lanes: ReadonlyMap<number, Lane>, floors: Floors) {
    this.#lanes = lanes
    this.#floors = floors
  }

  plan({ rows, most, toEnd, isSweep, isWhole }: ReadAim): ReadPlan {
    const all = openOf(this.#lanes).filter(({ position }) => !position.catchingUp && (toEnd || !position.dry))
    const readable = all.length <= most ? all : this.#some(all, Math.floor(most), 'read')
    const limit = Math.max(1, Math.ceil(rows / readable.length))
    const count = this.#floors.headsOf(readable.length)
    const isDear = count < readable.length
    const swept = new Set((isSweep && isDear ? this.#some(readable, count, 'sweep') : []).map(({ number }) => number))
    const starts = readable.map((open): Start => {
      const { number, position } = open
      const floor = isDear && !swept.has(number) && this.#floors.isKnown(position.floor) ? position.floor : undefined
      // Lanes that have little wait for no backlog of others: their ends are read in the same statement.
      const isEnd = !position.hasBacklog || (toEnd && (!isDear || swept.has(number) || floor !== undefined))
      return { ...open, isEnd, floor, after: isEnd ? startOf(floor) : position.cursor }
    })
    const heads = starts.filter(({ number, after }) => after <= HEAD && !swept.has(number))
    const left = isDear && !isWhole ? this.#left(heads) : NONE
    const read = starts.filter(({ number }) => !left.has(number))
    return {
      cursors: read.map(({ number, lane, isEnd, after }): LaneCursor => {
        const leftOut = isEnd ? lane.hand.leftOut : 0
        return { lane: number, after, limit: limit + leftOut }
      }),
      ends: new Map(read.filter(({ isEnd }) => isEnd).map(({ number, floor }) => [number, floor])),
      heads: read.filter(({ after }) => after <= HEAD).length,
      mayBeFew: rows >= FEW && read.every(({ isEnd, position }) => isEnd && !position.isLong),
      isPart: starts.some(({ number, position }) => left.has(number) && !position.dry),
    }
  }

  /** Of those that have no floor yet: which are left for another read, so that others do not wait for all of them. */
  #left(starts: readonly Start[]): ReadonlySet<number> {
    const count = this.#floors.opensOf(starts.length)
    if (count >= starts.length) return NONE
    const opened = new Set(this.#some(starts, count, 'open').map(({ number }) => number))
    return new Set(starts.map(({ number }) => number)).difference(opened)
  }

  /** As many as may be asked now, each in its turn. */
  #some<T>(all: readonly T[], count: number, kind: 'read' | 'sweep' | 'open'): readonly T[] {
    const from = this.#turns[kind] % all.length
    this.#turns[kind] += count
    return [...all.slice(from), ...all.slice(0, from)].slice(0, count)
  }
}
