import type { Backend } from '../backend/backend.ts'
import { Gate } from '../backend/gate.ts'
import { type ResolvedRate, resolveRate } from '../backend/rate.ts'
import { LONGEST_TIMER } from '../foundation/waiting.ts'
import type { RateStore } from '../store/coordination-store.ts'
import type { PermitRequest, Permits } from '../store/permits.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { type GateClock, RateGate } from './rate-gate.ts'

/** Events in memory for a rate: what it lets go in so many ms, and a burst. The others wait in the table. */
const IN_MEMORY = 1_000
/** Destinations whose gates are kept while they know nothing. */
const MOST_IDLE = 1_000
/** Of how many destinations the permits are asked for at once: a thousand of them leave connections to all else. */
const MOST_ASKED = 4

/** What a gate gets that is stopped, and looks at no more. */
const NONE = Promise.resolve({ taken: 0, wait: 0 })

const CLOCK: GateClock = {
  now: () => performance.now(),
  after(duration, call) {
    const timer = setTimeout(call, Math.min(Math.ceil(duration), LONGEST_TIMER))
    return () => clearTimeout(timer)
  },
}

export interface SendRatesParts {
  readonly backend: Backend
  readonly name: string
  readonly worker: string
  readonly store: RateStore
  readonly signals: SignalSource
  readonly onError: (error: unknown) => void
  /** Default: that of this machine. */
  readonly clock?: GateClock
}

/** The rates of one backend and of the destinations behind it, as this worker keeps them. */
export class SendRates {
  readonly #parts: SendRatesParts
  readonly #onOpen: () => void
  readonly #own: ResolvedRate | undefined
  readonly #ofPlaces: ResolvedRate | undefined
  readonly #gate: RateGate | undefined
  readonly #gates = new Map<string, RateGate>()
  readonly #turns = new Gate(MOST_ASKED)
  #isStopped = false

  /** `onOpen`: something may go that could not. */
  constructor(parts: SendRatesParts, onOpen: () => void) {
    this.#parts = parts
    this.#onOpen = onOpen
    this.#own = resolveRate(parts.backend.rate)
    this.#ofPlaces = resolveRate(parts.backend.destinationRate)
    this.#gate = this.#own && this.#make(this.#own, '')
  }

  /** Whether anything may go to the backend now; otherwise permits are asked for, and `onOpen` follows. `ready`: how much could go. */
  mayBegin(ready: () => number): boolean {
    if (this.#gate === undefined || this.#gate.left > 0) return true
    this.#gate.want(ready())
    return false
  }

  /** What may go has no slot yet: its permits are kept. */
  keep(): void {
    this.keepOwn()
    for (const gate of this.#gates.values()) gate.keep()
  }

  /** What the backend lets go waits for its destination: who waited long for the one must not lose it to the other. */
  keepOwn(): void {
    this.#gate?.keep()
  }

  /** How many events may go now to the backend, whatever their destination. */
  get left(): number {
    return this.#gate?.left ?? Number.POSITIVE_INFINITY
  }

  /** The same for one destination. */
  leftTo(destination: string | undefined): number {
    if (destination === undefined || this.#ofPlaces === undefined) return Number.POSITIVE_INFINITY
    return this.#gates.get(destination)?.left ?? 0
  }

  /** So many could go to a destination that may get none now. */
  want(destination: string, ready: number): void {
    if (this.#ofPlaces === undefined || this.#isStopped) return
    let gate = this.#gates.get(destination)
    if (gate === undefined) {
      this.#forgetIdle()
      gate = this.#make(this.#ofPlaces, destination)
      this.#gates.set(destination, gate)
    }
    gate.want(ready)
  }

  /** They go now. */
  use(destination: string | undefined, events: number): void {
    this.#gate?.use(events)
    if (destination !== undefined) this.#gates.get(destination)?.use(events)
  }

  /** Takes one permit for an event that is to go once more in the same send, where there is one. */
  spare(destination: string | undefined): boolean {
    if (this.left < 1 || this.leftTo(destination) < 1) return false
    this.use(destination, 1)
    return true
  }

  /** How many events of the backend are kept in memory at most. */
  inMemory(most: number): number {
    return Math.min(most, inMemory(this.#own))
  }

  /** The same for one destination, and how many ms it needs for one. Undefined = it has no rate. */
  get roomOfPlaces(): { readonly events: number; readonly interval: number } | undefined {
    const rate = this.#ofPlaces
    return rate && { events: inMemory(rate), interval: rate.per / rate.events }
  }

  stop(): void {
    this.#isStopped = true
    this.#gate?.stop()
    for (const gate of this.#gates.values()) gate.stop()
  }

  #make({ events, per, burst }: ResolvedRate, destination: string): RateGate {
    const { store, name, worker, signals, onError, clock = CLOCK } = this.#parts
    const take = (request: PermitRequest): Promise<Permits> => store.take(name, destination, request)
    return new RateGate({
      rate: { interval: per / events, burst },
      take: destination === '' ? take : (request) => this.#turns.run(() => (this.#isStopped ? NONE : take(request))),
      onOpen: this.#onOpen,
      onWaited: (duration) => signals.emit('rate.waited', { backend: name, destination, worker, duration }),
      onError,
      clock,
    })
  }

  #forgetIdle(): void {
    if (this.#gates.size < MOST_IDLE) return
    for (const [name, gate] of this.#gates) if (gate.isIdle) this.#gates.delete(name)
  }
}

function inMemory(rate: ResolvedRate | undefined): number {
  if (rate === undefined) return Number.POSITIVE_INFINITY
  return Math.max(1, rate.burst, Math.ceil((IN_MEMORY * rate.events) / rate.per))
}
