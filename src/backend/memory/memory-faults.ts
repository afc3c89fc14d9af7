import type { OutgoingEvent } from '../../event/outgoing-event.ts'
import { settles } from '../../foundation/waiting.ts'
import { OutageError } from '../send-error.ts'

/** The events that a fault affects: those with these values, those that a function chooses, or all. */
export type FaultMatch =
  | '*'
  | Partial<Pick<OutgoingEvent, 'id' | 'recordId' | 'type' | 'source' | 'subject' | 'partitionKey'>>
  | ((event: OutgoingEvent) => boolean)

interface Fault {
  readonly matches: (event: OutgoingEvent) => boolean
  readonly error: unknown
  /** The event arrives, and its acknowledgement is lost. */
  readonly afterwards: boolean
  left: number
}

/** What a test makes go wrong at a memory backend. */
export class MemoryFaults {
  #faults: Fault[] = []
  #outage: unknown
  #hold: PromiseWithResolvers<void> | undefined

  /** The next `times` sends of these events fail with the error, whose class says whether for good. Default: all. */
  fail(match: FaultMatch, error: unknown, times: number = Number.POSITIVE_INFINITY): this {
    return this.#add(match, error, times, false)
  }

  /** The next `times` sends of these events arrive but are reported as failed: duplicates follow. Default 1. */
  loseAcknowledgement(match: FaultMatch, error: unknown = new OutageError('lost'), times = 1): this {
    return this.#add(match, error, times, true)
  }

  /** Every send is an outage until `up`. */
  down(error: unknown = new OutageError('down, as the test asked')): this {
    this.#outage = error
    return this
  }

  /** Ends what `down` began. */
  up(): this {
    this.#outage = undefined
    return this
  }

  /** Whether `down` was called, and `up` not yet. */
  get isDown(): boolean {
    return this.#outage !== undefined
  }

  /** Sends wait until `release`, or until they are aborted. */
  hold(): this {
    this.#hold ??= Promise.withResolvers()
    return this
  }

  /** Lets held sends go on. */
  release(): this {
    this.#hold?.resolve()
    this.#hold = undefined
    return this
  }

  /** Ends all faults. */
  clear(): this {
    this.#faults = []
    return this.up().release()
  }

  /** The fault that this send of the event meets; uses up one of its times. */
  take(event: OutgoingEvent): { readonly error: unknown; readonly afterwards: boolean } | undefined {
    if (this.#outage !== undefined) return { error: this.#outage, afterwards: false }
    const fault = this.#faults.find(({ left, matches }) => left > 0 && matches(event))
    if (fault) fault.left--
    return fault
  }

  /** Resolves when sends are not held, or the signal aborts. */
  async held(signal: AbortSignal): Promise<void> {
    if (this.#hold) await settles(this.#hold.promise, { signal })
  }

  #add(match: FaultMatch, error: unknown, left: number, afterwards: boolean): this {
    this.#faults.push({ matches: matcherOf(match), error, afterwards, left })
    return this
  }
}

function matcherOf(match: FaultMatch): (event: OutgoingEvent) => boolean {
  if (match === '*') return () => true
  if (typeof match === 'function') return match
  const wanted = Object.entries(match)
  return (event) => wanted.every(([name, value]) => Reflect.get(event, name) === value)
}
