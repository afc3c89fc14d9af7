import type { FetchedRow } from '../store/relay-store.ts'
import { type ByteRoom, ByteRooms } from './byte-rooms.ts'
import type { HeldEvent } from './held-event.ts'
import type { Lane } from './lane.ts'
import { LaneHand } from './lane-hand.ts'

/** What is kept of an event in hand. */
export type Taken = Pick<HeldEvent, 'id' | 'bytes'> & { readonly lane: Pick<Lane, 'hand'> }

/**
 * How many events, and how much of their data, a backend has in hand over all lanes. A read must leave them out, and also those
 * settled while it was under way: its snapshot still shows them as unsettled.
 */
export class InHand {
  readonly room: ByteRoom
  readonly #hands = new Map<number, LaneHand>()
  #size = 0
  #waitingForLock = 0
  #bytes = 0
  #bytesWaiting = 0
  readonly #parking = new Set<string>()
  #onParked: (() => void)[] = []
  #settledDuringRead: Set<string> | undefined

  /** `room`: for their data. Default: without end. */
  constructor(room: ByteRoom = new ByteRooms(Number.MAX_SAFE_INTEGER).room()) {
    this.room = room
  }

  /** What is in hand of one lane. */
  of(lane: number): LaneHand {
    let hand = this.#hands.get(lane)
    if (hand === undefined) {
      hand = new LaneHand()
      this.#hands.set(lane, hand)
    }
    return hand
  }

  get size(): number {
    return this.#size
  }

  /** How many more to take of `most`. As many again may wait for locks on their rows, and take no room from the rest. */
  space(most: number): number {
    return this.room.isOpen ? most - this.#size + Math.min(this.#waitingForLock, most) : 0
  }

  /** Whether a row that was fetched is to be left out. */
  has(row: Pick<FetchedRow, 'id' | 'lane' | 'generation'>): boolean {
    return this.#settledDuringRead?.has(row.id) === true || this.#hands.get(row.lane)?.has(row) === true
  }

  add({ id, bytes, lane }: Taken): void {
    lane.hand.add(id)
    this.#size++
    this.#count(bytes, 0)
  }

  /** As for events, as many bytes again may wait for locks. */
  #count(bytes: number, waiting: number): void {
    this.#bytes += bytes
    this.#bytesWaiting += waiting
    this.room.inUse = this.#bytes - Math.min(this.#bytesWaiting, this.room.most)
  }

  remove({ id, bytes, lane }: Taken): void {
    const how = lane.hand.remove(id)
    if (how === undefined) return
    const isWaiting = how === 'waiting-for-lock'
    this.#size--
    this.#settledDuringRead?.add(id)
    this.endParking(id)
    if (isWaiting) this.#waitingForLock--
    this.#count(-bytes, isWaiting ? -bytes : 0)
  }

  /**
   * The outcome of the event cannot be recorded for now, as its row is locked. It is in hand until then, and where it was delivered
   * nothing need wait for it; otherwise it may hold its key.
   */
  waitForLock({ id, bytes, lane }: Taken, isDelivered: boolean): void {
    if (!lane.hand.markLocked(id, isDelivered)) return
    this.#waitingForLock++
    this.#count(0, bytes)
  }

  /** The event is on its way to be parked, until it is removed or `endParking` is called. */
  beginParking(id: string): void {
    this.#parking.add(id)
  }

  endParking(id: string): void {
    if (this.#parking.delete(id) && this.#parking.size === 0) for (const resolve of this.#onParked.splice(0)) resolve()
  }

  /** Resolves when nothing is on its way to be parked. */
  async parked(): Promise<void> {
    while (this.#parking.size > 0) await new Promise<void>((resolve) => this.#onParked.push(resolve))
  }

  /** From here to the end of `read`, removed events still count as in hand. One read at a time. */
  async duringRead<T>(read: () => Promise<T>, use: (result: T) => void): Promise<void> {
    this.#settledDuringRead = new Set()
    try {
      use(await read())
    } finally {
      this.#settledDuringRead = undefined
    }
  }
}
