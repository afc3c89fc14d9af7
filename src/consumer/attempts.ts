import { TimeLimit } from '../backend/time-limit.ts'
import type { ConsumerSettings } from './consumer-options.ts'
import { CrashSuspicion } from './crash-suspicion.ts'
import type { DeliverySignals } from './delivery-signals.ts'
import { type HandlingParts, handleOnce } from './handling.ts'
import type { DeliveryInHand } from './intake.ts'
import { endedTooManyProcesses } from './verdict.ts'

export interface AttemptsParts<Tx> {
  readonly handling: HandlingParts<Tx>
  readonly settings: ConsumerSettings
  readonly telling: DeliverySignals
  /** Aborts what still runs once a stop has waited long enough. */
  readonly hurry: AbortSignal
  readonly onError: (error: unknown) => void
}

/** Makes attempts at deliveries, each within its time. */
export class Attempts<Tx> {
  readonly #parts: AttemptsParts<Tx>
  readonly #suspicion: CrashSuspicion<Tx>

  constructor(parts: AttemptsParts<Tx>) {
    this.#parts = parts
    const { handling, onError } = parts
    const { maxDeliveries, maxInHand } = parts.settings
    this.#suspicion = new CrashSuspicion({ handling, maxDeliveries, maxInHand, onError })
  }

  /**
   * Handles the delivery, or sets `givenUp` when there is no point in trying. Throws what the attempt threw. Resolves
   * with false when nothing was done: it has to run alone.
   */
  async make(held: DeliveryInHand): Promise<boolean> {
    const { settings, telling, hurry } = this.#parts
    const { delivery } = held
    const { event, lost } = delivery
    held.took = null
    if (event === undefined) {
      held.givenUp = { error: delivery.problem }
      return true
    }
    const admission = await this.#suspicion.admit(held, event).catch((error: unknown) => {
      // This counts as an attempt, although it did not get as far as the handlers.
      held.attempts++
      throw error
    })
    if (admission === 'alone') return false
    if (admission === 'give-up') {
      held.givenUp = { error: endedTooManyProcesses(delivery.count) }
      return true
    }
    const limit = new TimeLimit(lost ? AbortSignal.any([lost, hurry]) : hurry, settings.handlerTimeout)
    const started = performance.now()
    held.attempts++
    try {
      const outcome = await handleOnce(this.#suspicion.handlingOf(held, event), event, {
        signal: limit.signal,
        attempt: held.attempts,
        deliveries: delivery.count,
        position: delivery.position,
      })
      telling.concluded(outcome, event, held.attempts, performance.now() - started)
    } catch (error) {
      held.took = performance.now() - started
      await this.#suspicion.survived(held, event)
      throw error
    } finally {
      limit.end()
    }
    return true
  }

  /** It is in the dead-letter place. Never rejects. */
  async gaveUp(held: DeliveryInHand): Promise<void> {
    const { event } = held.delivery
    if (event) await this.#suspicion.gaveUp(held, event)
  }
}
