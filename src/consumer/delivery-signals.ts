import type { EncodableEvent } from '../event/cloud-event.ts'
import type { Messaging } from '../event/messaging.ts'
import { ReceivedEvent } from '../event/received-event.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { type Handled, OUTCOME_SIGNALS } from './handling.ts'

export type DeliverySignals = ReturnType<typeof deliverySignals>

/** The last attempt. */
interface Attempted {
  /** Counts from 1; 0 = there was none. */
  readonly attempt: number
  /** How long it took, in ms; null = there was none. */
  readonly duration: number | null
}

/**
 * Reports what becomes of deliveries. An event's data is parsed only when a listener reads it. `place`: what the
 * subscription says it reads.
 */
export function deliverySignals(consumer: string, signals: SignalSource, place: () => Messaging | undefined) {
  function concluded(outcome: Handled, received: EncodableEvent, attempt: number, duration: number): void {
    const name = OUTCOME_SIGNALS[outcome]
    if (!signals.has(name)) return
    const event = new ReceivedEvent(received)
    signals.emit(name, { consumer, messaging: place(), event, attempt, duration })
  }

  function retried(received: EncodableEvent, { attempt, duration }: Attempted, delay: number, error: unknown): void {
    if (!signals.has('delivery.retried')) return
    const event = new ReceivedEvent(received)
    signals.emit('delivery.retried', {
      consumer,
      messaging: place(),
      event,
      attempt,
      delay,
      duration: duration ?? 0,
      error,
    })
  }

  function failed(received: EncodableEvent | undefined, { attempt, duration }: Attempted, error: unknown): void {
    if (!signals.has('delivery.failed')) return
    const event = received && new ReceivedEvent(received)
    signals.emit('delivery.failed', { consumer, messaging: place(), event, attempt, duration, error })
  }

  return { concluded, retried, failed }
}
