import type { EncodableEvent } from '../event/cloud-event.ts'
import type { ReadEvent } from './read-event.ts'

/** A message that a consumer gave up on, as it is stored in the dead-letter place. */
export interface DeadLetter {
  /** Identifies it within its place, for `after` and `requeue`. */
  readonly id: string
  /** The event; undefined when the message is not an event, and `problem` says why. */
  readonly event: EncodableEvent | undefined
  /** Why the message is not an event; undefined when it is one. */
  readonly problem?: unknown
  /** The message's own bytes. */
  readonly body: Uint8Array
  /** Who gave up on it; empty when the letter does not say. */
  readonly consumer: string
  /** Text of the last error. */
  readonly error: string
  /** How often it was tried; 0 = it could not be read at all. */
  readonly attempts: number
  /**
   * Where the message was, as far as its broker has positions: `events 1700000000000-0`. For RabbitMQ only the queue
   * and for MQTT only the topic: their messages have no number.
   */
  readonly position: string
}

/** Which dead letters to list. */
export interface DeadLetterPage {
  /** At most this many. */
  readonly limit: number
  /** Goes on after the letter with this id. Default: from the oldest. */
  readonly after?: string | undefined
}

/** The dead letters of one consumer. Its methods reject with an `OutageError` when the broker cannot be reached. */
export interface DeadLetterPlace {
  /** For messages: `rabbitmq billing.dead`. */
  readonly description: string
  /** The oldest first. Removes nothing. */
  list(page: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]>
  /**
   * Puts the message, byte for byte and without our headers, where its consumer reads it, waits for the broker's
   * confirmation, and removes the letter; a crash between the two leaves both. Consumers of other names that read the
   * same place skip it. Resolves with false when there is no such letter, or no longer.
   */
  requeue(id: string, signal: AbortSignal): Promise<boolean>
  /** Closes what it opened itself. Idempotent. */
  close(): Promise<void>
}

/**
 * The header that says which consumer a message was requeued for, where several read the same place. Consumers of other
 * names acknowledge it and do nothing.
 */
export const REQUEUED_FOR = 'broadcaster-requeued-for'

/** Whether a header is one that we added to a dead letter. */
export function isReasonHeader(name: string): boolean {
  return /^broadcaster-/i.test(name)
}

/** A dead letter. `reason` reads what we added: `consumer`, `error`, `attempts`; empty where there is none. */
export function letterOf(
  id: string,
  body: Uint8Array,
  read: ReadEvent,
  position: string,
  reason: (name: string) => string,
): DeadLetter {
  const [consumer, error] = [reason('consumer'), reason('error')]
  return { id, ...read, body, consumer, error, attempts: Number(reason('attempts')), position }
}

/** What is wrong with a dead-letter place that the consumer itself reads. */
export const LOOP = 'so each dead letter would be read, and given up, again'
