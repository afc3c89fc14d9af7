import { BroadcasterError } from '../../errors.ts'
import type { EncodableEvent } from '../../event/cloud-event.ts'
import { encodeStructured } from '../../event/structured.ts'
import type { DeadLetter, DeadLetterPage } from '../dead-letter-place.ts'
import { errorText } from '../error-text.ts'
import { orderKeyOf } from '../read-event.ts'
import type { DeadLetterReason, Delivery } from '../subscription.ts'

/** A message that was given up, with the reason. */
export interface MemoryDeadLetter {
  /** The event; undefined when it was not an event. */
  readonly event: EncodableEvent | undefined
  /** Who gave up, and why. */
  readonly reason: DeadLetterReason
}

interface Message {
  readonly event: EncodableEvent | undefined
  readonly problem: unknown
  readonly number: number
  count: number
}

/** Who holds a message that was delivered. */
interface Holding {
  readonly holder: object
  readonly lost: AbortController
}

/** The messages of a broker in memory, shared by its subscriptions. */
export class MemoryQueue {
  readonly acknowledged: (EncodableEvent | undefined)[] = []
  readonly deadLetters: MemoryDeadLetter[] = []
  /** The messages of `deadLetters`, in the same order. */
  readonly #dead: Message[] = []
  #numbers = 0
  #waiting: Message[] = []
  readonly #out = new Map<Message, Holding>()
  #changed = Promise.withResolvers<void>()

  /** How many are neither acknowledged nor given up. */
  get pending(): number {
    return this.#waiting.length + this.#out.size
  }

  /** Resolves at the next change of any kind. */
  get changed(): Promise<void> {
    return this.#changed.promise
  }

  add(event: EncodableEvent | undefined, problem?: unknown): void {
    this.#waiting.push({ event, problem, number: ++this.#numbers, count: 0 })
    this.#change()
  }

  take(limit: number, holder: object): readonly Delivery[] {
    return this.#waiting.splice(0, limit).map((message) => this.#handOut(message, holder))
  }

  /** What this holder has not concluded goes back to its old place. */
  takeBack(holder: object): void {
    const lost = [...this.#out].filter(([, holding]) => holding.holder === holder)
    for (const [message, { lost: stop }] of lost) {
      this.#out.delete(message)
      stop.abort()
    }
    this.#putBack(lost.map(([message]) => message))
  }

  listDead({ limit, after = '0' }: DeadLetterPage): readonly DeadLetter[] {
    const begin = this.#dead.findIndex(({ number }) => String(number) === after) + 1
    return this.#dead.slice(begin, begin + limit).map(({ event, problem, number }, n) => {
      const { consumer, error, attempts } = this.deadLetters[begin + n]?.reason ?? {
        consumer: '',
        error: '',
        attempts: 0,
      }
      return {
        id: String(number),
        event,
        ...(event === undefined && { problem }),
        body: event === undefined ? new Uint8Array() : new TextEncoder().encode(encodeStructured(event)),
        consumer,
        error: errorText(error),
        attempts,
        position: `memory ${number}`,
      }
    })
  }

  /** Hands a dead letter out again, at its old place. */
  requeueDead(id: string): boolean {
    const at = this.#dead.findIndex(({ number }) => String(number) === id)
    const [message] = at < 0 ? [] : this.#dead.splice(at, 1)
    if (message === undefined) return false
    this.deadLetters.splice(at, 1)
    message.count = 0
    this.#putBack([message])
    return true
  }

  #handOut(message: Message, holder: object): Delivery {
    const lost = new AbortController()
    this.#out.set(message, { holder, lost })
    message.count++
    const conclude = async (then: () => unknown): Promise<void> => {
      if (this.#out.get(message)?.lost !== lost) throw new BroadcasterError('CLOSED', 'the delivery was taken back')
      this.#out.delete(message)
      then()
      this.#change()
    }
    return {
      event: message.event,
      ...(message.event === undefined && { problem: message.problem }),
      key: orderKeyOf(message.event),
      count: message.count,
      position: `memory ${message.number}`,
      lost: lost.signal,
      acknowledge: () => conclude(() => this.acknowledged.push(message.event)),
      release: () => conclude(() => this.#putBack([message])),
      deadLetter: (reason) =>
        conclude(() => {
          this.#dead.push(message)
          this.deadLetters.push({ event: message.event, reason })
        }),
    }
  }

  #putBack(messages: readonly Message[]): void {
    this.#waiting = [...this.#waiting, ...messages].sort((a, b) => a.number - b.number)
    this.#change()
  }

  #change(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
