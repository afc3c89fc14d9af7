import type { LaneCursor } from '../store/relay-store.ts'
import { type Floor, type Floors, startOf } from './floors.ts'
import type { Lane } from './lane.ts'
import { openOf } from './open-lane.ts'

/** What a read asks for. */
export interface ReadPlan {
  readonly cursors: readonly LaneCursor[]
  /** The lanes that it reads to their ends, each from this floor, or from its head. */
  readonly ends: ReadonlyMap<number, Floor | undefined>
  /** How many of these from their heads. */
  readonly heads: number
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
}

/** Chooses where each lane is read. */
export class ReadPlanner {
  readonly #lanes: ReadonlyMap<number, Lane>
  readonly #floors: Floors
  /** From which lane on a read that cannot ask for all begins, and a sweep that cannot read all from their heads. */
  #turns = { read: 0, sweep: 0 }

  constructor(lanes: ReadonlyMap<number, Lane>, floors: Floors) {
    this.#lanes = lanes
    this.#floors = floors
  }

  plan({ rows, most, toEnd, isSweep }: ReadAim): ReadPlan {
    const all = openOf(this.#lanes).filter(({ position }) => !position.catchingUp && (toEnd || !position.dry))
    const readable = all.length <= most ? all : this.#some(all, Math.floor(most), 'read')
    const limit = Math.max(1, Math.ceil(rows / readable.length))
    const count = this.#floors.headsOf(readable.length)
    const isDear = count < readable.length
    const swept = new Set((isSweep && isDear ? this.#some(readable, count, 'sweep') : []).map(({ number }) => number))
    const ends = new Map<number, Floor | undefined>()
    let heads = 0
    const cursors = readable.map(({ number, lane, position }): LaneCursor => {
      const floor = isDear && !swept.has(number) && this.#floors.isKnown(position.floor) ? position.floor : undefined
      // Lanes that have little wait for no backlog of others: their ends are read in the same statement.
      const isEnd = !position.hasBacklog || (toEnd && (!isDear || swept.has(number) || floor !== undefined))
      if (!isEnd) return { lane: number, after: position.cursor, limit }
      ends.set(number, floor)
      if (floor === undefined) heads++
      return { lane: number, after: startOf(floor), limit: limit + lane.hand.leftOut }
    })
    return { cursors, ends, heads }
  }

  /** As many as may be asked now, each in its turn. */
  #some<T>(all: readonly T[], count: number, kind: 'read' | 'sweep'): readonly T[] {
    const from = this.#turns[kind] % all.length
    this.#turns[kind] += count
    return [...all.slice(from), ...all.slice(0, from)].slice(0, count)
  }
}
