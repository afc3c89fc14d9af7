import { LONGEST_PARKING } from '../store/relay-store.ts'
import type { HeldEvent } from './held-event.ts'

/**
 * A destination is slow when it has had an event for this long, in ms: what comes faster is not worth an update of its
 * row.
 */
const SLOW = 1_000
/** Until the first of its waiting events comes back, in ms: before it has worked off what it has. */
const SOONEST = SLOW / 2
/**
 * From one waiting event to the next, in ms, when its destination needs longer for one: at most this many come back in vain,
 * however long the backlog. They are read before what is newer, so it must be few.
 */
const STEP = 4
/** The same for one that waits behind another of its key: they come back together, and most of them in vain. */
const STEP_BEHIND = 0.2
/** Those of this many ms come back together: each time costs a statement. */
const TOGETHER = 100

/** What one destination has in memory. */
interface Room {
  /** Monotonic time at which each was taken, the oldest first. */
  readonly since: Map<HeldEvent, number>
  /** Monotonic time at which the last of those that wait for room comes back. */
  lastBackAt: number
}

/** The rate of each destination: how many events it may have in memory, and how many ms it needs for one. */
export interface RateRoom {
  readonly events: number
  readonly interval: number
}

/**
 * Room in memory for the destinations behind a backend. A slow one, however long its backlog, has no more there than is left
 * free: one takes half of it at most, two a third each.
 */
export class MemoryRooms {
  readonly #events: number
  readonly #rate: RateRoom | undefined
  readonly #rooms = new Map<string, Room>()
  #inUse = 0

  /** `events`: in memory in all. `rate`: where each destination has one. */
  constructor(events: number, rate?: RateRoom) {
    this.#events = events
    this.#rate = rate
  }

  /** Takes an event in, or returns for how many ms it has to wait outside. */
  enter(held: HeldEvent, destination: string): number {
    const now = performance.now()
    const room = this.#rooms.get(destination) ?? { since: new Map<HeldEvent, number>(), lastBackAt: 0 }
    const [oldest = now] = room.since.values()
    const age = now - oldest
    if (this.#rate !== undefined && room.since.size >= this.#rate.events) {
      // When the rate has let go what is before it.
      room.lastBackAt = Math.max(room.lastBackAt, now + SOONEST) + this.#rate.interval
      return Math.min(LONGEST_PARKING, Math.ceil(room.lastBackAt / TOGETHER) * TOGETHER - now)
    }
    if (age >= SLOW && room.since.size >= this.#events - this.#inUse) {
      // One after the other, as fast as it takes them.
      const step = Math.min(STEP, age / room.since.size)
      room.lastBackAt = Math.max(room.lastBackAt + step, now + SOONEST)
      return Math.ceil(room.lastBackAt / TOGETHER) * TOGETHER - now
    }
    room.since.set(held, now)
    this.#rooms.set(destination, room)
    this.#inUse++
    return 0
  }

  /** It waits behind one of its key that waits for room, and comes back together with that one. */
  follow(destination: string): void {
    const room = this.#rooms.get(destination)
    if (room !== undefined && room.lastBackAt > performance.now()) room.lastBackAt += STEP_BEHIND
  }

  leave(held: HeldEvent, destination: string): void {
    const room = this.#rooms.get(destination)
    if (!room?.since.delete(held)) return
    this.#inUse--
    if (room.since.size === 0) this.#rooms.delete(destination)
  }
}
