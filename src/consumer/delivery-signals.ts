import type { CloudEvent, EncodableEvent } from '../event/cloud-event.ts'
import { toCloudEvent } from '../event/encodable.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { type Handled, OUTCOME_SIGNALS } from './handling.ts'

/**
 * What a consumer tells of its deliveries. Nothing here throws: what it tells of has happened, and an event whose data
 * cannot be parsed must not undo that; it is told of as a `consumer.error`.
 */
export class DeliverySignals {
  readonly #consumer: string
  readonly #signals: SignalSource

  constructor(consumer: string, signals: SignalSource) {
    this.#consumer = consumer
    this.#signals = signals
  }

  concluded(outcome: Handled, received: EncodableEvent, attempt: number, duration: number): void {
    const name = OUTCOME_SIGNALS[outcome]
    if (!this.#signals.has(name)) return
    const event = this.#eventOf(received)
    if (event) this.#signals.emit(name, { consumer: this.#consumer, event, attempt, duration })
  }

  retried(received: EncodableEvent, attempt: number, delay: number, error: unknown): void {
    if (!this.#signals.has('delivery.retried')) return
    const event = this.#eventOf(received)
    if (event) this.#signals.emit('delivery.retried', { consumer: this.#consumer, event, attempt, delay, error })
  }

  failed(received: EncodableEvent | undefined, attempt: number, error: unknown): void {
    if (!this.#signals.has('delivery.failed')) return
    const event = received && this.#eventOf(received)
    this.#signals.emit('delivery.failed', { consumer: this.#consumer, event, attempt, error })
  }

  #eventOf(received: EncodableEvent): CloudEvent | undefined {
    try {
      return toCloudEvent(received)
    } catch (error) {
      this.#signals.emit('consumer.error', { consumer: this.#consumer, error })
      return undefined
    }
  }
}
