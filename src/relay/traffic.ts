import type { SendResult } from '../backend/backend.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import type { Conclusion } from './conclusion.ts'
import type { CycleOptions } from './cycle-options.ts'
import { Destinations } from './destinations.ts'
import type { HeldEvent } from './held-event.ts'
import { MemoryRooms } from './memory-rooms.ts'
import { type Judgement, judgeAll, type Outage } from './outcomes.ts'
import type { SendBuffer } from './send-buffer.ts'
import type { SendRates } from './send-rates.ts'
import { SendRooms } from './send-rooms.ts'

/** Sends in flight to all destinations of one backend; their events are bounded as everywhere. */
const MOST_SENDS = 64

/** How many sends to a backend may be in flight: more where each goes to one of several destinations. */
export function sendsOf({ backend, concurrency }: CycleOptions): number {
  return backend.destination ? Math.min(MOST_SENDS, 16 * concurrency) : concurrency
}

/** What may go to which destination behind a backend, and what each result means for its event and its destination. */
export class Traffic {
  readonly #options: CycleOptions
  readonly #conclusion: Conclusion
  readonly #destinations: Destinations
  readonly #rooms: SendRooms
  readonly #memory: MemoryRooms
  readonly #rates: SendRates

  constructor(options: CycleOptions, conclusion: Conclusion, rates: SendRates) {
    this.#options = options
    this.#conclusion = conclusion
    this.#destinations = new Destinations({ ...options, store: options.store.coordination.destinations })
    this.#rooms = new SendRooms(options.concurrency * options.batchSize, options.concurrency)
    this.#rates = rates
    this.#memory = new MemoryRooms(options.maxInHand, rates.roomOfPlaces)
  }

  /** Where an event goes; undefined = to the backend as a whole. */
  placeOf(event: OutgoingEvent): string | undefined {
    return this.#destinations.of(event)
  }

  /**
   * Whether the event may be sent. One whose destination is down, or slow and has used its share of the memory, waits
   * outside of memory; now and then one of the former tries whether it is back.
   */
  admit(held: HeldEvent): boolean {
    const admission = this.#destinations.admit(held.destination)
    if (admission === 'probe') held.apart = true
    if (admission === 'park') this.#defer(held, held.destination ?? '')
    return admission !== 'park' && this.#hasRoom(held)
  }

  #hasRoom(held: HeldEvent): boolean {
    const { destination } = held
    // A drain goes on until nothing is due; one that may have killed its worker would lose the mark; one that tries goes at once.
    if (destination === undefined || held.marked || held.apart || this.#options.budget !== undefined) return true
    const wait = this.#memory.enter(held, destination)
    const why = this.#rates.roomOfPlaces === undefined ? 'is slow and' : 'has a rate, and'
    if (wait > 0) this.#conclusion.defer(held, wait, `waits for ${destination}, which ${why} has many events waiting`)
    return wait === 0
  }

  /** The event waits behind one of its key. */
  follow({ destination }: HeldEvent): void {
    if (destination !== undefined) this.#memory.follow(destination)
  }

  /** The event is no longer in memory. */
  leave(held: HeldEvent): void {
    if (held.destination !== undefined) this.#memory.leave(held, held.destination)
  }

  /** The next events to be sent, all to one destination; their keys are busy. None = no destination has room. */
  take(buffer: SendBuffer): HeldEvent[] {
    const { backend, batchSize, maxBatchBytes } = this.#options
    const most = Math.min(batchSize, this.#rates.left)
    const batch = this.#asking(buffer, (room) =>
      buffer.take(most, this.#runs, backend.destination && room, maxBatchBytes),
    )
    if (batch.length > 0) this.#rates.use(batch[0]?.destination, batch.length)
    return batch
  }

  /**
   * Whether the backend's rate lets anything go now. `free`: how many sends may begin. It is asked for what its destination lets
   * go: permits that wait there would be lost to other workers.
   */
  mayBegin(buffer: SendBuffer, free: number): boolean {
    const { backend, batchSize, concurrency } = this.#options
    const most = batchSize * Math.min(free, concurrency)
    return this.#rates.mayBegin(() =>
      this.#asking(buffer, (room) => buffer.ready(this.#runs, most, backend.destination && room)),
    )
  }

  /** Looks for what may go; where only permits of its destination are missing they are asked for. */
  #asking<T>(buffer: SendBuffer, look: (room: (place: string | undefined) => number) => T): T {
    const missing = new Set<string>()
    const found = look((place) => {
      const left = this.#rooms.left(place)
      const permits = this.#rates.leftTo(place)
      if (place !== undefined && left > 0 && permits === 0) missing.add(place)
      return Math.min(left, permits)
    })
    const { batchSize } = this.#options
    if (missing.size > 0) this.#rates.keepOwn()
    for (const place of missing) {
      const there = (other: string | undefined): number => (other === place ? batchSize : 0)
      this.#rates.want(place, buffer.ready(this.#runs, batchSize, there))
    }
    return found
  }

  get #runs(): boolean {
    return this.#options.backend.capabilities?.ordersWithinSend === true
  }

  /** Whether the backend's rate lets one event go that tries whether it is up. */
  mayProbe(): boolean {
    return this.#rates.mayBegin(() => 1)
  }

  /** Before a send; each is ended by `end`. False: the events wait after all, since another worker tries the destination. */
  async begin(batch: readonly HeldEvent[]): Promise<boolean> {
    const place = batch[0]?.destination
    this.#rooms.begin(place, batch.length)
    if (place === undefined || (await this.#destinations.mayGo(place, this.#options.timeout))) return true
    for (const held of batch) this.#defer(held, place)
    return false
  }

  end(batch: readonly HeldEvent[]): void {
    this.#rooms.end(batch[0]?.destination, batch.length)
  }

  /** Sees to each result of a send. Resolves, when destinations are recorded, with what it says about the whole backend. */
  async conclude(
    batch: readonly HeldEvent[],
    results: readonly (SendResult | undefined)[],
    settled: ReadonlySet<string>,
  ): Promise<Judgement> {
    const judgement = judgeAll(batch, results, settled, this.#options.failure)
    const { verdicts } = judgement
    const away = new Map<string, Outage>()
    for (const verdict of verdicts) {
      if (verdict?.kind !== 'outage' || verdict.destination === undefined || away.has(verdict.destination)) continue
      away.set(verdict.destination, verdict)
    }
    // First of all, so that nothing more goes there.
    const telling = [...away].map(([place, { error, retryAfter }]) =>
      this.#destinations.tripped(place, error, retryAfter),
    )
    batch.forEach((held, n) => {
      const verdict = verdicts[n]
      if (verdict === undefined) this.#conclusion.recorded(held)
      else if (verdict.kind === 'outage' && verdict.destination !== undefined) {
        this.#defer(held, verdict.destination, verdict.progress)
      } else this.#conclusion.conclude(held, verdict)
    })
    // The buffer is large, and a send ends well as a rule.
    const stranded =
      away.size === 0 ? [] : this.#conclusion.removeWhere(({ destination = '' }) => away.has(destination))
    for (const held of stranded) this.#defer(held, held.destination ?? '')
    batch.forEach(({ destination }, n) => {
      if (destination === undefined || away.has(destination)) return
      if (verdicts[n] === undefined || verdicts[n].kind === 'settle') {
        telling.push(this.#destinations.recovered(destination))
      }
    })
    await Promise.all(telling)
    return judgement
  }

  #defer(held: HeldEvent, place: string, progress?: string): void {
    this.#conclusion.defer(held, this.#destinations.parking(place), this.#destinations.why(place), progress)
  }
}
