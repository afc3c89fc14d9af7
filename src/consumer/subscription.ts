import type { BroadcasterError } from '../errors.ts'
import type { EncodableEvent } from '../event/cloud-event.ts'
import type { Messaging } from '../event/messaging.ts'
import type { DeadLetterPlace } from './dead-letter-place.ts'

/** Why a delivery is put in the dead-letter place. */
export interface DeadLetterReason {
  /** Who gave up on it. */
  readonly consumer: string
  /** What the last attempt threw. */
  readonly error: unknown
  /** How often it was tried here; 0 = it could not be read at all. */
  readonly attempts: number
}

/**
 * One message as the broker handed it out. It is concluded once, by one of the three methods; until then the broker
 * keeps it, and delivers it again when this consumer is gone.
 *
 * The three methods reject when the broker could not be reached; it then delivers the message again later. By then
 * `lost` has aborted, unless the method may be called again.
 */
export interface Delivery {
  /** The event; undefined when the message is not an event, and `problem` says why. */
  readonly event: EncodableEvent | undefined
  /** Why the message is not an event; undefined when it is one. */
  readonly problem?: unknown
  /** Deliveries of one key are handled one after the other, in the order received. Null = on its own. */
  readonly key: string | null
  /** How often the broker has handed it out, this time included. 1 where the broker does not count. */
  readonly count: number
  /** Where it was, for people to read: `events 1700000000000-0`. */
  readonly position: string
  /** Aborts when the broker has taken it back, as after a lost connection: it comes again, here or elsewhere. */
  readonly lost?: AbortSignal
  /** Handled: the broker never delivers it again. */
  acknowledge(): Promise<void>
  /** Not handled: gives it back, to be delivered again soon, in its old place where the broker can do that. */
  release(): Promise<void>
  /**
   * Gave up on it: puts the message, byte for byte, with the reason in the dead-letter place, waits until the broker
   * has confirmed that, and acknowledges it. A crash between the two puts it there twice.
   */
  deadLetter(reason: DeadLetterReason): Promise<void>
}

/** How a consumer is attached. */
export interface SubscriptionContext {
  /** The consumer's name: the default of the broker's group, queue or durable name. */
  readonly consumer: string
  /** Called when messages are gone that were never delivered, such as when a broker dropped them unread. */
  readonly onGap?: (error: BroadcasterError) => void
  /** Called with what delays some messages while others arrive, such as a partition without a leader. */
  readonly onTrouble?: (error: BroadcasterError) => void
}

/**
 * One configured way in: messages of one broker for one consumer, shared by all processes that have the same consumer
 * name. A user's own is a plain object of this shape.
 *
 * It keeps what it delivered for as long as it takes, prevents the broker from delivering it elsewhere meanwhile, and
 * connects again by itself at the next `receive`.
 */
export interface Subscription {
  /** For messages: `redis-streams events`. */
  readonly description: string
  /** The messaging system and the name of what it reads, for traces. No secrets. Optional. */
  readonly messaging?: Messaging | undefined
  /** Connects, and makes or checks what it reads from. Called before the first `receive`, and once only. */
  open(context: SubscriptionContext, signal: AbortSignal): Promise<void>
  /**
   * The next messages, at most `limit`, in the broker's order. Waits for the first, at most some seconds, then resolves
   * with none. Resolves with none as soon as `signal` aborts, and loses nothing by it. Rejects with an `OutageError`
   * when the broker cannot be reached; the next call connects again. Not called again before it has settled.
   */
  receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]>
  /**
   * Closes what it opened itself. What it received and was not concluded goes back to the broker, all at once and as
   * soon as the broker can, and comes to the next process in the order of its key. A consumer that stops gives nothing
   * back by itself. Idempotent.
   */
  close(): Promise<void>
  /**
   * How many messages the broker holds for this consumer, over all its processes: those not handed out and, where it counts
   * them, those not acknowledged. Undefined = it does not know. May be called from `open` to `close`. Optional.
   */
  backlog?(): Promise<number | undefined>
  /**
   * The dead letters of a consumer of this subscription, for people who look at them and requeue them. It needs neither
   * `open` nor a consumer that runs, and has a connection of its own. Optional.
   */
  deadLetterPlace?(context: SubscriptionContext): DeadLetterPlace
}
