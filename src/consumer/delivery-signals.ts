import type { EncodableEvent } from '../event/cloud-event.ts'
import { ReceivedEvent } from '../event/received-event.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { type Handled, OUTCOME_SIGNALS } from './handling.ts'

export type DeliverySignals = ReturnType<typeof deliverySignals>

/** Reports what becomes of deliveries. An event's data is parsed only when a listener reads it. */
export function deliverySignals(consumer: string, signals: SignalSource) {
  function concluded(outcome: Handled, received: EncodableEvent, attempt: number, duration: number): void {
    const name = OUTCOME_SIGNALS[outcome]
    if (!signals.has(name)) return
    const event = new ReceivedEvent(received)
    signals.emit(name, { consumer, event, attempt, duration })
  }

  function retried(received: EncodableEvent, attempt: number, delay: number, error: unknown): void {
    if (!signals.has('delivery.retried')) return
    const event = new ReceivedEvent(received)
    signals.emit('delivery.retried', { consumer, event, attempt, delay, error })
  }

  function failed(received: EncodableEvent | undefined, attempt: number, error: unknown): void {
    if (!signals.has('delivery.failed')) return
    const event = received && new ReceivedEvent(received)
    signals.emit('delivery.failed', { consumer, event, attempt, error })
  }

  return { concluded, retried, failed }
}
