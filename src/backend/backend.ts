import { BroadcasterError } from '../errors.ts'
import type { Messaging } from '../event/messaging.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import type { SendRate } from './rate.ts'

/** The outcome of one event of a send. */
export type SendResult =
  | {
      readonly ok: true
      /** Stored with the event (JSON), for people to read. */
      readonly progress?: unknown
    }
  | {
      readonly ok: false
      /** Its class decides what happens next: `OutageError`, `PermanentError`, `RetryAfterError`, or any other. */
      readonly error: unknown
      /** Stored with the event (JSON) and handed back as `event.progress` on the next attempt. */
      readonly progress?: unknown
    }

/** The broker has acknowledged the event. */
export const delivered: SendResult = Object.freeze({ ok: true })

/** The event was not delivered, because of `error`. */
export function notDelivered(error: unknown): SendResult {
  return { ok: false, error }
}

/**
 * The event was not handed to the broker at all, since an earlier event of its key in the same send was not
 * delivered, or since the send was cut short. It costs no retry.
 */
export const notAttempted: SendResult = Object.freeze({
  ok: false,
  error: new BroadcasterError('SEND_NOT_ATTEMPTED', 'not attempted: an earlier event of the same send stopped it'),
})

/** Whether an error says that the event was not handed to the broker at all. */
export function isNotAttempted(error: unknown): boolean {
  return error instanceof BroadcasterError && error.code === 'SEND_NOT_ATTEMPTED'
}

/** The event was not handed to the broker, since the backend was closed before. It costs no retry. */
export const backendClosed = Object.freeze({
  ok: false as const,
  error: new BroadcasterError('SEND_NOT_ATTEMPTED', 'this backend is closed'),
})

/** What a health check found. */
export interface BackendHealth {
  /** Whether events can be sent now. */
  readonly healthy: boolean
  /** Round trip of the check, in milliseconds. */
  readonly latency?: number
  /** One sentence for people: what is wrong, or what was reached. */
  readonly detail?: string
}

/** Something that a person should know about a backend; `broadcaster doctor` prints it. */
export interface BackendFinding {
  /** `wrong`: a person must act. `advice`: it works, but could be better. */
  readonly level: 'wrong' | 'advice'
  /** What was found, in one sentence for people. */
  readonly message: string
  /** What to do. */
  readonly cure?: string
}

/** What the broker does for us; each is `false` when not declared. */
export interface BackendCapabilities {
  /**
   * Several events of one key may be in one `send`: they reach the broker in order, and when one is not delivered
   * none after it of the same key is. Without it the relay puts at most one event of a key into a send.
   */
  readonly ordersWithinSend?: boolean
  /** The broker drops a second delivery of the same event id by itself, within its own window. */
  readonly deduplicates?: boolean
}

/** What a worker knows about a send besides its events. */
export interface SendContext {
  /**
   * The lane of an event and the fence under which the worker owns it. The fence goes up each time the lane changes
   * hands, so a broker can refuse what a former owner sends late. Undefined for an event of another send.
   */
  ownerOf(event: OutgoingEvent): { readonly lane: number; readonly fence: number } | undefined
  /**
   * Whether another event of this send may be begun. Ask once before each event that is begun by itself, and answer
   * `notAttempted` where it may not: that costs the event nothing, and it goes with a later send. False when less than
   * the backend's `eventTimeout` is left of the send, and once the worker sends nothing more: the backend was paused,
   * its breaker opened, or the worker is stopping.
   */
  mayBegin(): boolean
}

/**
 * One configured way out. A user's own backend is a plain object of this shape.
 *
 * The relay is the only one that retries: a client used here is configured not to.
 */
export interface Backend {
  /**
   * For people, in one line: what it is and where, as `redis-streams events at 127.0.0.1:6379`. No secrets. Optional.
   */
  readonly description?: string
  /** The messaging system and the destination's name, for traces. No secrets. Optional. */
  readonly messaging?: Messaging
  /**
   * Hands the events to the broker and waits for its acknowledgement. Resolves with one result per event, in the order
   * given. Rejecting is the same as `notDelivered(error)` for every event. `signal` aborts when the send's timeout ends
   * or the lease is lost: stop as soon as possible, and report what was acknowledged until then. A worker passes
   * `context`, which most backends do not need.
   */
  send(events: readonly OutgoingEvent[], signal: AbortSignal, context?: SendContext): Promise<readonly SendResult[]>
  /** Checks the broker. Resolves even when it is down: `healthy` is then false, and `detail` says why. */
  healthCheck(signal: AbortSignal): Promise<BackendHealth>
  /** Closes what the backend itself opened, and nothing that was injected. Idempotent. */
  close(): Promise<void>

  /** Opens the connection before the first send, so that a wrong address is found at start. Optional. */
  connect?(signal: AbortSignal): Promise<void>
  /**
   * Handles one event inside the store transaction that also settles it: both commit, or neither does. `tx` is the
   * store's native transaction. Optional; used instead of `send` when present.
   */
  sendInTransaction?(event: OutgoingEvent, tx: unknown, signal: AbortSignal): Promise<SendResult>

  /**
   * The name of the place behind this backend that the event goes to, such as a url's origin; at most 200 characters.
   * Each place has its own share of the sends and its own breaker: an outage reported for one of its events holds up
   * only the events of this place. Called for each event before it is sent, so answer at once, and always the same for
   * the same event. Undefined = the backend as a whole. Optional.
   */
  destination?(event: OutgoingEvent): string | undefined

  /**
   * How fast events go to it at most, from all workers of the outbox together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`. Each attempt counts. What has to wait does so in the table. Default: no limit.
   */
  readonly rate?: SendRate | undefined
  /** The same for each place that `destination` names, by itself. Default: no limit. */
  readonly destinationRate?: SendRate | undefined
  /** What the broker does for us. Default: nothing. */
  readonly capabilities?: BackendCapabilities
  /** The largest event, in bytes of its encoded form; `publish` refuses larger ones. Default: 64 MiB of data. */
  readonly maxEventBytes?: number
  /** How long one send may take, in milliseconds. Default: the worker's `sendTimeout`. */
  readonly timeout?: number
  /**
   * How long one event of a send may take, in milliseconds, where events are begun one by one: none is begun with less
   * than this left (see `mayBegin` of the context). Some may always be begun: during the first fiftieth of `timeout`,
   * or the first quarter where that is the worker's `sendTimeout`. Default: all may be begun as long as the send lasts.
   */
  readonly eventTimeout?: number
  /** What a person should know about where events go: messages dropped unread, readers that are gone. Optional. */
  findings?(signal: AbortSignal): Promise<readonly BackendFinding[]>
  /** Checks a per-event `backendConfig` at publish; throws a `BroadcasterError` that names the key. Optional. */
  checkConfig?(config: Readonly<Record<string, unknown>>): void
  /**
   * Checks at publish what this backend could never carry, such as a header that its protocol has no characters for:
   * throws a `BroadcasterError` whose `field` is the attribute's CloudEvents name, and nothing is inserted. Called once
   * for each event and before anything is sent, so `createdAt` is not known yet. For an event that gets here anyway,
   * published by SQL or under other options, `send` answers with a `PermanentError`. Optional.
   */
  checkEvent?(event: OutgoingEvent): void
}
