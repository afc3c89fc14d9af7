import type { Backend } from '../backend/backend.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { describeError } from '../foundation/describe-error.ts'
import { type DestinationStore, LONGEST_PROBE_WAIT } from '../store/coordination-store.ts'
import { LONGEST_PARKING } from '../store/relay-store.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { type BreakerOptions, told } from './breaker.ts'
import { destinationName } from './destination-name.ts'

/** What other workers opened or closed is looked up at most this often, in ms, and only while there is something to send. */
const REFRESH = 1_000
/** The defaults of `worker.breaker`, in ms. */
const FIRST_PROBE = 200
const PROBE_INTERVAL = 1_000

interface OpenBreaker {
  /** Monotonic, in ms. */
  readonly openedAt: number
  probeAt: number
  readonly why: string
}

export interface DestinationsParts {
  readonly backend: Backend
  readonly name: string
  readonly worker: string
  readonly store: DestinationStore
  readonly signals: SignalSource
  readonly breaker: BreakerOptions
  readonly onError: (error: unknown) => void
}

/**
 * This worker's view of the destinations behind one backend: which of them are down, and when to try them again. The
 * state lives in the store, shared by all workers.
 */
export class Destinations {
  readonly #parts: DestinationsParts
  readonly #open = new Map<string, OpenBreaker>()
  #refreshedAt = Number.NEGATIVE_INFINITY

  constructor(parts: DestinationsParts) {
    this.#parts = parts
  }

  /** Where the event goes; undefined = to the backend as a whole. */
  of(event: OutgoingEvent): string | undefined {
    try {
      const name: unknown = this.#parts.backend.destination?.(event)
      return typeof name === 'string' ? destinationName(name) : undefined
    } catch {
      // What is wrong with the event shows when it is sent.
      return undefined
    }
  }

  isOpen(destination: string | undefined): boolean {
    return destination !== undefined && this.#open.has(destination)
  }

  /** Why events of it wait. */
  why(destination: string): string {
    return `waits for ${destination}: ${this.#open.get(destination)?.why ?? 'away'}`
  }

  /** How an event of it may go: at once, as the one that tries whether it is back, or not now. */
  admit(destination: string | undefined): 'send' | 'probe' | 'park' {
    if (destination === undefined) return 'send'
    if (performance.now() - this.#refreshedAt >= REFRESH) void this.#refresh()
    const known = this.#open.get(destination)
    if (known === undefined) return 'send'
    const now = performance.now()
    if (now < known.probeAt) return 'park'
    known.probeAt = now + (this.#parts.breaker.probeInterval ?? PROBE_INTERVAL)
    return 'probe'
  }

  /** Asks for the right to probe, when its breaker is open. */
  async mayGo(destination: string, timeout: number): Promise<boolean> {
    const { store, name, breaker } = this.#parts
    const known = this.#open.get(destination)
    if (known === undefined) return true
    const interval = breaker.probeInterval ?? PROBE_INTERVAL
    const again = Math.min(LONGEST_PROBE_WAIT, timeout + interval)
    const mine = await store.tryProbe(name, destination, again)
    known.probeAt = performance.now() + (mine ? again : interval)
    // Not ours: another worker probes, or has closed it meanwhile. Then the next look says so.
    if (!mine) this.#refreshedAt = Number.NEGATIVE_INFINITY
    return mine
  }

  /** How long an event of it is parked, in ms: the longer it has been down, the longer, so that many cost little. */
  parking(destination: string): number {
    const { probeInterval = PROBE_INTERVAL } = this.#parts.breaker
    const openFor = performance.now() - (this.#open.get(destination)?.openedAt ?? 0)
    return Math.min(LONGEST_PARKING, Math.max(probeInterval, openFor)) * (0.5 + Math.random() / 2)
  }

  /** It is down. */
  async tripped(destination: string, error: unknown, retryAfter: number): Promise<void> {
    const { store, name, worker, signals, breaker, onError } = this.#parts
    const known = this.#open.get(destination)
    const first = known === undefined ? (breaker.firstProbe ?? FIRST_PROBE) : (breaker.probeInterval ?? PROBE_INTERVAL)
    const wait = Math.min(LONGEST_PROBE_WAIT, Math.max(first, retryAfter))
    const why = describeError(error)
    const now = performance.now()
    this.#open.set(destination, { openedAt: known?.openedAt ?? now, probeAt: now + wait, why })
    try {
      if (known) await told(why, (text) => store.postpone(name, destination, wait, text))
      else if (await told(why, (text) => store.open(name, destination, wait, text))) {
        signals.emit('destination.down', { backend: name, destination, worker, error })
      }
    } catch (failure) {
      onError(failure)
    }
  }

  /** It took an event again. */
  async recovered(destination: string): Promise<void> {
    const { store, name, worker, signals, onError } = this.#parts
    if (!this.#open.delete(destination)) return
    try {
      const closed = await store.close(name, destination)
      if (closed) signals.emit('destination.up', { backend: name, destination, worker })
    } catch (failure) {
      // Still open there: the next refresh brings it back, and the next probe closes it.
      onError(failure)
    }
  }

  async #refresh(): Promise<void> {
    const { store, name, onError } = this.#parts
    this.#refreshedAt = performance.now()
    try {
      const rows = await store.list(name)
      const now = performance.now()
      const there = new Set(rows.map(({ destination }) => destination))
      // One that opened while this was read is not in it yet.
      for (const [destination, { openedAt }] of this.#open) {
        if (!there.has(destination) && openedAt < this.#refreshedAt - REFRESH) this.#open.delete(destination)
      }
      for (const { destination, probeIn, since, error } of rows) {
        if (this.#open.has(destination)) continue
        this.#open.set(destination, { openedAt: now - since, probeAt: now + probeIn, why: error })
      }
    } catch (failure) {
      onError(failure)
    }
  }
}
