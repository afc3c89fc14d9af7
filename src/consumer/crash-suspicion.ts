import type { EncodableEvent } from '../event/cloud-event.ts'
import type { IdentifiedEvent } from '../inbox/inbox.ts'
import { type HandlingParts, TransactionFailedError } from './handling.ts'
import type { DeliveryInHand } from './intake.ts'

/** Whether an attempt may begin now, must wait until nothing else runs, or is one too many. */
export type Admission = 'begin' | 'alone' | 'give-up'

export interface CrashSuspicionParts<Tx> {
  readonly handling: HandlingParts<Tx>
  /** How many processes one event may kill. */
  readonly maxDeliveries: number
  readonly maxInHand: number
  readonly onError: (error: unknown) => void
}

/**
 * Finds the event that kills its process, and no other. A broker's delivery count says little: a clean stop raises it,
 * so does the death of the process for another event, and some brokers do not count. So an attempt at what may have
 * been in flight in a process that died leaves a mark in the inbox before it begins, and removes it when it ends,
 * however it ends. A mark that is found means that a process died in the middle. Such an event is tried alone, and from
 * then on each further mark counts. Why: `docs/decisions/0032-events-that-kill-consumers.md`.
 */
export class CrashSuspicion<Tx> {
  readonly #parts: CrashSuspicionParts<Tx>
  /** Deliveries that were tried since the start. */
  #begun = 0
  /** Without an inbox: whether a suspect was tried since the start. */
  #triedSuspect = false

  constructor(parts: CrashSuspicionParts<Tx>) {
    this.#parts = parts
  }

  /** Call before each attempt. Throws a `TransactionFailedError` when no mark can be left. */
  async admit(held: DeliveryInHand, event: EncodableEvent): Promise<Admission> {
    const { handling, maxDeliveries, maxInHand } = this.#parts
    const { once, consumer, handlers } = handling
    if (handlers.of(String(event.attributes['type'])).length === 0) return 'begin'
    if (once === null) return this.#admitByCount(held)
    // Where a broker does not count, what was in hand at a death is among the first to come after it.
    held.watched ??= held.delivery.count > 1 || this.#begun++ < maxInHand
    if (!held.watched) return 'begin'
    const last = held.alone ? maxDeliveries : 0
    let entered = false
    try {
      await once.transaction(async (tx) => {
        entered = false
        for (held.marks = last === 0 ? 0 : 1; held.marks <= last; held.marks++) {
          entered = await once.inbox.once(tx, consumer, markOf(event, held.marks), () => undefined)
          if (entered) return
        }
      })
    } catch (error) {
      throw new TransactionFailedError(error, false)
    }
    held.marked = entered
    if (entered) return 'begin'
    return held.alone ? 'give-up' : 'alone'
  }

  /** How to handle it: its marks are removed in the transaction of its handlers. */
  handlingOf(held: DeliveryInHand, event: EncodableEvent): HandlingParts<Tx> {
    const { handling } = this.#parts
    const { once } = handling
    if (once === null || !held.marked) return handling
    return {
      ...handling,
      once: {
        inbox: once.inbox,
        transaction: (work) =>
          once.transaction(async (tx) => {
            const result = await work(tx)
            await this.#forget(tx, held, event, 0)
            return result
          }),
      },
    }
  }

  /** An attempt failed, and the process lives. Never rejects. */
  async survived(held: DeliveryInHand, event: EncodableEvent): Promise<void> {
    if (held.marked) await this.#forgetAlone(held, event, held.marks)
    held.marked = false
  }

  /** It is in the dead-letter place: publishing it again starts afresh. Never rejects. */
  async gaveUp(held: DeliveryInHand, event: EncodableEvent): Promise<void> {
    if (held.alone) await this.#forgetAlone(held, event, 0)
  }

  /**
   * Without an inbox nothing records what was tried; there is only the broker's count. Above `maxDeliveries`,
   * deliveries are tried alone, in the order received. So the first of them was tried by every process before this one,
   * and above twice that number it alone is given up.
   */
  #admitByCount(held: DeliveryInHand): Admission {
    const { maxDeliveries } = this.#parts
    const { count } = held.delivery
    if (count <= maxDeliveries) return 'begin'
    if (!held.alone) return 'alone'
    const first = !this.#triedSuspect
    this.#triedSuspect = true
    return first && count > 2 * maxDeliveries ? 'give-up' : 'begin'
  }

  async #forgetAlone(held: DeliveryInHand, event: EncodableEvent, from: number): Promise<void> {
    const { handling, onError } = this.#parts
    try {
      await handling.once?.transaction((tx) => this.#forget(tx, held, event, from))
    } catch (error) {
      onError(error)
    }
  }

  async #forget(tx: Tx, held: DeliveryInHand, event: EncodableEvent, from: number): Promise<void> {
    const { once, consumer } = this.#parts.handling
    for (let n = from; n <= held.marks; n++) await once?.inbox.forget(tx, consumer, markOf(event, n))
  }
}

/** Where a mark is stored in the inbox: beside the events, under their name. */
function markOf({ attributes }: EncodableEvent, n: number): IdentifiedEvent {
  return { source: `broadcaster:attempt:${n}`, id: JSON.stringify([attributes['source'], attributes['id']]) }
}
