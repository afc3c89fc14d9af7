import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { FetchedEvent } from '../record/fetched-event.ts'
import type { FetchedRow, Ownership } from '../store/relay-store.ts'
import { bytesOf } from './bounded-fetch.ts'
import { type ByteRoom, ByteRooms } from './byte-rooms.ts'
import { MOST_ATTEMPTS } from './retry.ts'

/** An event in this worker's memory: fetched, and not settled yet. */
export interface HeldEvent {
  readonly id: string
  readonly seq: number
  readonly lane: number
  /** Of its data. */
  readonly bytes: number
  /** The row's generation when it was fetched: its outcome is recorded for that one alone. */
  readonly generation: number
  readonly key: string | null
  readonly retryCount: number
  readonly maxRetries: number
  readonly event: OutgoingEvent
  /** As it was fetched. */
  readonly row: FetchedRow
  /** The ownership it was fetched under. */
  readonly ownership: Ownership
  /** It may have been in flight when a worker died: the store says `processing` before it is sent. */
  readonly marked: boolean
  /** The store says so, by our word: that must be taken back when it is not sent. */
  sending: boolean
  /** It may have killed its worker: sent by itself, with the attempt counted before the send. */
  readonly alone: boolean
  /** A send of it did not end, or it was refused like all when no other was: sent by itself, so that others go on. */
  apart: boolean
  /** The place behind the backend that it goes to; undefined = the backend as a whole. */
  readonly destination: string | undefined
}

/** A fetched row as the relay carries it. `suspect`: it may have been in flight when its lane's last owner died. */
export function takeInHand(
  row: FetchedRow,
  ownership: Ownership,
  suspect: boolean,
  apart: boolean,
  destinationOf: (event: OutgoingEvent) => string | undefined,
): HeldEvent {
  const { id, seq, lane, generation, partitionKey: key, retryCount, maxRetries } = row
  const alone = row.status === 'processing'
  const event = new FetchedEvent(row)
  const marked = suspect || alone
  const destination = destinationOf(event)
  return {
    id,
    seq,
    lane,
    bytes: bytesOf(row),
    generation,
    key,
    retryCount,
    maxRetries,
    event,
    row,
    ownership,
    marked,
    sending: false,
    alone,
    apart,
    destination,
  }
}

/** Its sends ended with the death of the worker as often as it may be tried. */
export function hasKilledEnough(held: HeldEvent): boolean {
  return held.alone && held.retryCount >= Math.max(1, Math.min(held.maxRetries, MOST_ATTEMPTS))
}

const MOST_SHELVED = 1_000

/** What is kept of an event in hand. */
type Taken = Pick<HeldEvent, 'id' | 'lane' | 'bytes'>

/** What may be in hand still: what was delivered and waits for a lock, or all that waits for one. */
export type Exception = 'nothing' | 'delivered' | 'locked'

/**
 * Which events are in hand, by lane. A sweep must leave them out, and also those settled while it was reading: its
 * snapshot still shows them as unsettled.
 */
export class InHand {
  readonly room: ByteRoom
  readonly #events = new Map<string, Taken>()
  readonly #counts = new Map<number, number>()
  /** Delivered, and their rows locked: the ids by lane. Reads leave them out until they are recorded. */
  readonly #aside = new Map<number, Set<string>>()
  /** Not delivered, and their rows locked: the ids by lane. */
  readonly #locked = new Map<number, Set<string>>()
  #waitingForLock = 0
  #bytes = 0
  #bytesWaiting = 0
  readonly #waiting = new Map<number, { readonly but: Exception; readonly resolve: () => void }[]>()
  readonly #parking = new Set<string>()
  #onParked: (() => void)[] = []
  #settledDuringRead: Set<string> | undefined
  /**
   * The outcomes of these cannot be recorded: not to be read again before their time, or they are sent again at once.
   */
  readonly #shelved = new Map<string, { readonly lane: number; readonly generation: number; readonly until: number }>()

  /** `room`: for their data. Default: without end. */
  constructor(room: ByteRoom = new ByteRooms(Number.MAX_SAFE_INTEGER).room()) {
    this.room = room
  }

  get size(): number {
    return this.#events.size
  }

  /** How many more to take of `most`. As many again may wait for locks on their rows, and take no room from the rest. */
  space(most: number): number {
    return this.room.isOpen ? most - this.#events.size + Math.min(this.#waitingForLock, most) : 0
  }

  /** Whether a row that was fetched is to be left out. One that an operator has moved since it was shelved is not. */
  has({ id, generation }: Pick<FetchedRow, 'id' | 'generation'>): boolean {
    return this.#events.has(id) || this.#settledDuringRead?.has(id) === true || this.#isShelved(id, generation)
  }

  /** How many rows of the lane a read from its head meets that it must leave out. */
  leftOutIn(lane: number): number {
    let shelved = 0
    for (const one of this.#shelved.values()) if (one.lane === lane) shelved++
    return this.countIn(lane) + shelved
  }

  /** Leaves the event out of reads until the monotonic time `until`. Of more than `MOST_SHELVED` the oldest is forgotten. */
  shelve({ id, lane, generation }: Pick<HeldEvent, 'id' | 'lane' | 'generation'>, until: number): void {
    this.#shelved.set(id, { lane, generation, until })
    const [oldest] = this.#shelved.keys()
    if (this.#shelved.size > MOST_SHELVED && oldest !== undefined) this.#shelved.delete(oldest)
  }

  #isShelved(id: string, generation: number): boolean {
    const shelved = this.#shelved.get(id)
    if (shelved === undefined) return false
    if (shelved.generation === generation && performance.now() < shelved.until) return true
    this.#shelved.delete(id)
    return false
  }

  countIn(lane: number): number {
    return this.#counts.get(lane) ?? 0
  }

  add(event: Taken): void {
    this.#events.set(event.id, event)
    this.#counts.set(event.lane, this.countIn(event.lane) + 1)
    this.#count(event.bytes, 0)
  }

  /** As for events, as many bytes again may wait for locks. */
  #count(bytes: number, waiting: number): void {
    this.#bytes += bytes
    this.#bytesWaiting += waiting
    this.room.inUse = this.#bytes - Math.min(this.#bytesWaiting, this.room.most)
  }

  remove(id: string): void {
    const event = this.#events.get(id)
    if (event === undefined) return
    const { lane, bytes } = event
    this.#events.delete(id)
    this.#settledDuringRead?.add(id)
    this.endParking(id)
    this.#counts.set(lane, this.countIn(lane) - 1)
    for (const ids of [this.#aside, this.#locked]) {
      const some = ids.get(lane)
      if (!some?.delete(id)) continue
      this.#waitingForLock--
      this.#count(0, -bytes)
      if (some.size === 0) ids.delete(lane)
    }
    this.#count(-bytes, 0)
    this.#tell(lane)
  }

  /** The event was delivered, and its row is locked: it is in hand until that is recorded, and nothing need wait for it. */
  setAside(id: string): void {
    this.#mark(this.#aside, id)
  }

  /** The outcome of the event cannot be recorded for now, as its row is locked, and it may hold its key. */
  waitForLock(id: string): void {
    this.#mark(this.#locked, id)
  }

  /** Whether the event waits so. */
  waitsForLock(id: string): boolean {
    return this.#locked.get(this.#events.get(id)?.lane ?? -1)?.has(id) === true
  }

  #mark(ids: Map<number, Set<string>>, id: string): void {
    const event = this.#events.get(id)
    if (event === undefined) return
    const { lane, bytes } = event
    const some = ids.get(lane) ?? new Set<string>()
    if (some.has(id)) return
    ids.set(lane, some.add(id))
    this.#waitingForLock++
    this.#count(0, bytes)
    this.#tell(lane)
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

  /** Resolves when nothing of the lane is in hand; with `but` when nothing is but what waits so for a lock. */
  async empty(lane: number, but: Exception = 'nothing'): Promise<void> {
    if (this.#isOver(lane, but)) return
    await new Promise<void>((resolve) => {
      const waiting = this.#waiting.get(lane) ?? []
      this.#waiting.set(lane, waiting)
      waiting.push({ but, resolve })
    })
  }

  #isOver(lane: number, but: Exception): boolean {
    const aside = but === 'nothing' ? 0 : (this.#aside.get(lane)?.size ?? 0)
    const locked = but === 'locked' ? (this.#locked.get(lane)?.size ?? 0) : 0
    return this.countIn(lane) === aside + locked
  }

  #tell(lane: number): void {
    const waiting = this.#waiting.get(lane)
    if (waiting === undefined) return
    const left = waiting.filter(({ but }) => !this.#isOver(lane, but))
    if (left.length === waiting.length) return
    if (left.length === 0) this.#waiting.delete(lane)
    else this.#waiting.set(lane, left)
    for (const one of waiting) if (!left.includes(one)) one.resolve()
  }
}
