import type { Subscription } from '../../consumer/subscription.ts'
import type { EncodableEvent } from '../../event/cloud-event.ts'
import { caseWriter } from '../conformance.ts'

/** What some brokers cannot offer. Such a fixture declares why, and the cases that need it are skipped. */
export type SubscriptionAbility =
  /** What was delivered and not concluded is delivered again after a close or a lost connection. */
  | 'redelivers'
  /** `count` goes up with each delivery. */
  | 'counts'
  /** What was released comes again before anything that was published after it. */
  | 'releasesInPlace'
  /** What was in hand at a clean close comes to the next process in the order of its key. */
  | 'returnsInOrder'
  /** Messages that are not events can be there. */
  | 'unreadable'
  /** The dead-letter place can be read. */
  | 'deadLetters'
  /** It has a `deadLetterPlace`. */
  | 'requeues'
  /** Consumers of different names each get everything. */
  | 'fanOut'
  /** It has a `backlog`, which counts what is not acknowledged, too. */
  | 'backlog'
  /** The broker can be stopped and started. */
  | 'stopServer'
  /** The broker redelivers what is held longer than the fixture's `redeliverAfter`. */
  | 'redeliverAfter'

/** What is in the dead-letter place. */
export interface StoredDeadLetter {
  /** The body of the original message, byte for byte. */
  readonly body: Uint8Array
  /** Who gave up on it. */
  readonly consumer: string
  /** Text of the error. */
  readonly error: string
  /** How often it was tried. */
  readonly attempts: number
}

/** A place of its own at the broker, and what the cases need around it. */
export interface SubscriptionFixture {
  /** A new subscription to that place, as another process would make it. The fixture closes it at the end, too. */
  subscribe(): Subscription
  /** Puts events there, in this order; resolves when the broker has them. */
  publish(events: readonly EncodableEvent[]): Promise<void>
  /** Puts a message there that is not an event. */
  publishUnreadable?(body: string): Promise<void>
  /** What is in the dead-letter place; left out where there is none. */
  deadLetters?(): Promise<readonly StoredDeadLetter[]>
  /** Makes the broker unreachable; what it has must survive. */
  stopServer?(): Promise<void>
  /** Makes it reachable again, at the same address. */
  startServer?(): Promise<void>
  /** Milliseconds after which the broker takes a silent consumer for dead; as short as the broker allows. */
  readonly redeliverAfter?: number
  /** Removes what was made for this case. */
  close(): Promise<void>
}

export const { it, requires } = caseWriter<SubscriptionFixture, SubscriptionAbility>()
