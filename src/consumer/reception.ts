import { Pause } from '../foundation/pause.ts'
import { retryDelay } from '../foundation/retry-policy.ts'
import { Pulse } from '../health/pulse.ts'
import type { Intake } from './intake.ts'
import type { Subscription } from './subscription.ts'

/**
 * How long `receive` may take, in ms: usually some seconds; with a broker that is down, as long as its client takes to
 * say so.
 */
const RECEIVE_TIME = 180_000
/** Waits after a broker could not be reached. */
const RECONNECT = { base: 100, factor: 2, cap: 5_000, jitter: 'full' } as const

export interface ReceptionParts {
  readonly subscription: Subscription
  readonly intake: Intake
  readonly maxInHand: number
  /** New deliveries are in the intake. */
  readonly onDeliveries: () => void
  readonly onError: (error: unknown) => void
}

/** Receives as long as there is room, until `stop`. */
export class Reception {
  /** Beats at each turn. */
  readonly pulse = new Pulse(RECEIVE_TIME)
  readonly #parts: ReceptionParts
  readonly #stop = new AbortController()
  readonly #pause = new Pause()
  #room = Promise.withResolvers<void>()
  #error: unknown
  #hasBegun = false

  constructor(parts: ReceptionParts) {
    this.#parts = parts
  }

  /** Why nothing could be received at the last try; undefined = it could. */
  get error(): unknown {
    return this.#error
  }

  get state(): 'not started' | 'receiving' | 'stopped' {
    if (this.#stop.signal.aborted) return 'stopped'
    return this.#hasBegun ? 'receiving' : 'not started'
  }

  /** A delivery was concluded. */
  makeRoom(): void {
    this.#room.resolve()
    this.#room = Promise.withResolvers()
  }

  stop(): void {
    this.#stop.abort()
    this.#pause.end()
    this.makeRoom()
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { subscription, intake, maxInHand, onDeliveries, onError } = this.#parts
    const { signal } = this.#stop
    let outages = 0
    this.#hasBegun = true
    while (!signal.aborted) {
      // A round trip for each concluded message would be slow: a quarter of the room must be free.
      if (intake.size > maxInHand * 0.75) {
        // Handlers have a limit of their own, and a delivery may wait long between two attempts.
        this.pulse.rest()
        await this.#room.promise
        continue
      }
      this.pulse.beat()
      try {
        const deliveries = await subscription.receive(maxInHand - intake.size, signal)
        outages = 0
        this.#error = undefined
        for (const delivery of deliveries) intake.add(delivery)
        if (deliveries.length > 0) onDeliveries()
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        this.#error = error
        outages++
        await this.#pause.sleep(retryDelay(RECONNECT, outages, Math.random()))
      }
    }
  }
}
