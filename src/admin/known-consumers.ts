import type { Subscription } from '../consumer/subscription.ts'
import { BroadcasterError } from '../errors.ts'
import { suggestion } from '../foundation/suggestion.ts'
import type { Audit } from './audit-log.ts'
import { ConsumerDeadLetters } from './consumer-dead-letters.ts'

/** A consumer that this service knows by its `subscriptions`. */
export interface ConsumerEntry {
  /** What it is called. */
  readonly name: string
  /** What it reads: `kafka orders at 127.0.0.1:9092`. */
  readonly description: string
  /** Whether `deadLetters` can list what it gave up on. */
  readonly deadLetters: boolean
}

/** What consumers of this service read, by consumer. */
export type Subscriptions = Readonly<Record<string, Subscription>>

/** The consumers, by what they read. */
export function consumersIn(subscriptions: Subscriptions): readonly ConsumerEntry[] {
  return Object.entries(subscriptions).map(([name, { description, deadLetterPlace }]) => ({
    name,
    description,
    deadLetters: deadLetterPlace !== undefined,
  }))
}

/** Where a consumer's dead letters are. Throws `INVALID_OPTION`. */
export function deadLettersOf(consumer: string, subscriptions: Subscriptions, audit: Audit): ConsumerDeadLetters {
  const refused = (message: string): BroadcasterError =>
    new BroadcasterError('INVALID_OPTION', message, { field: 'consumer', value: consumer })
  const subscription = Object.hasOwn(subscriptions, consumer) ? subscriptions[consumer] : undefined
  if (subscription === undefined) {
    const names = Object.keys(subscriptions)
    const known = names.length === 0 ? 'there are none' : `there are ${names.join(', ')}`
    throw refused(
      `subscriptions has no entry for the consumer ${consumer}${suggestion(consumer, names) || `; ${known}`}`,
    )
  }
  const place = subscription.deadLetterPlace?.({ consumer })
  if (place !== undefined) return new ConsumerDeadLetters(place, consumer, audit)
  throw refused(
    `the dead letters of ${subscription.description} cannot be listed; its subscription has no deadLetterPlace`,
  )
}
