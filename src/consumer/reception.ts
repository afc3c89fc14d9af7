import { Pause } from '../foundation/pause.ts'
import { retryDelay } from '../foundation/retry-policy.ts'
import type { Intake } from './intake.ts'
import type { Subscription } from './subscription.ts'

/** Waits after a broker could not be reached. */
const RECONNECT = { base: 100, factor: 2, cap: 5_000, jitter: 'full' } as const

export interface ReceptionParts {
  readonly subscription: Subscription
  readonly intake: Intake
  readonly maxInHand: number
  /** New deliveries stand in the intake. */
  readonly onDeliveries: () => void
  readonly onError: (error: unknown) => void
}

/** Receives as long as there is room, until `stop`. */
export class Reception {
  readonly #parts: ReceptionParts
  readonly #stop = new AbortController()
  readonly #pause = new Pause()
  #room = Promise.withResolvers<void>()

  constructor(parts: ReceptionParts) {
    this.#parts = parts
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
    while (!signal.aborted) {
      // A round trip for each concluded message would be slow: a quarter of the room must be free.
      if (intake.size > maxInHand * 0.75) {
        await this.#room.promise
        continue
      }
      try {
        const deliveries = await subscription.receive(maxInHand - intake.size, signal)
        outages = 0
        for (const delivery of deliveries) intake.add(delivery)
        if (deliveries.length > 0) onDeliveries()
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        outages++
        await this.#pause.sleep(retryDelay(RECONNECT, outages, Math.random()))
      }
    }
  }
}
