import { type Channel, channel } from 'node:diagnostics_channel'
import type { DeliveryEvent } from '../event/delivery-event.ts'
import type { Messaging } from '../event/messaging.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import type { Logger } from './logger.ts'
import { RUNNING_CHANGES } from './running.ts'
import type { SignalSink } from './signal-log.ts'
import { sinkOf } from './sink-of.ts'
import type { StructuredLogger } from './structured-logger.ts'

/**
 * What Broadcaster reports of its work, by name, in one file since it is one vocabulary. Each is a `node:diagnostics_channel` named `broadcaster:` + name, so
 * listeners cost nothing until there is one. Documented in `docs/signals.md`; a test keeps both the same set.
 * Durations are in milliseconds.
 */
export interface Signals {
  /** An event was inserted on the caller's transaction, which has not committed yet. Not sent for duplicates. */
  'event.created': { readonly record: OutboxEvent }
  /** Publish found the event stored already, and inserted nothing. */
  'event.duplicate': { readonly record: OutboxEvent }
  /** The backend acknowledged the event and that is recorded. */
  'event.published': { readonly record: OutboxEvent; readonly backend: string; readonly worker: string }
  /** An attempt failed; the event is tried again after `delay`. */
  'event.retried': {
    readonly record: OutboxEvent
    readonly backend: string
    readonly worker: string
    readonly retryCount: number
    readonly delay: number
    readonly error: unknown
  }
  /** Gave up on the event. `blocks`: later events of its key wait. */
  'event.failed': {
    readonly record: OutboxEvent
    readonly backend: string
    readonly worker: string
    readonly retryCount: number
    readonly blocks: boolean
    readonly error: unknown
  }
  /** An event waits behind `headId`, which failed for good. */
  'event.blocked': {
    readonly record: OutboxEvent
    readonly backend: string
    readonly worker: string
    readonly headId: string
  }
  /** One send returned. `errors`: of each event that was not acknowledged; undefined = its outcome is not known. */
  'batch.sent': {
    readonly backend: string
    /** What the backend says it sends to. */
    readonly messaging: Messaging | undefined
    readonly worker: string
    readonly sent: number
    readonly delivered: number
    readonly errors: readonly unknown[]
    readonly duration: number
  }
  /**
   * The outcome of one send was recorded: how many events of each kind. `lost` were no longer ours to record. `ages`:
   * for each published one, the time from its insert (database's clock) to now (this host's). `duration`: of the
   * settle; null = in one transaction with what the handler wrote.
   */
  'batch.settled': {
    readonly backend: string
    readonly worker: string
    readonly published: number
    readonly retried: number
    readonly failed: number
    readonly blocked: number
    readonly lost: number
    readonly ages: readonly number[]
    readonly duration: number | null
  }
  /** This call opened the backend's breaker: nothing is sent there until a probe succeeds. */
  'backend.down': { readonly backend: string; readonly worker: string; readonly error: unknown }
  /** A probe succeeded and closed the breaker. */
  'backend.up': { readonly backend: string; readonly worker: string }
  /** Events wait for a backend that no live worker serves. Sent once for each name. */
  'backend.unserved': { readonly backend: string; readonly worker: string }
  /** A destination behind a backend is down: its events wait, those of other destinations go on. */
  'destination.down': {
    readonly backend: string
    readonly destination: string
    readonly worker: string
    readonly error: unknown
  }
  /** It took an event again. */
  'destination.up': { readonly backend: string; readonly destination: string; readonly worker: string }
  /**
   * Events could go, and did not for `duration`, because of the rate of the backend or of a destination behind it: they may now.
   * `destination`: empty = the backend as a whole.
   */
  'rate.waited': {
    readonly backend: string
    readonly destination: string
    readonly worker: string
    readonly duration: number
  }
  /** The worker owns these lanes from now on. */
  'lane.gained': { readonly backend: string; readonly worker: string; readonly lanes: readonly number[] }
  /** The worker no longer owns these lanes. */
  'lane.lost': {
    readonly backend: string
    readonly worker: string
    readonly lanes: readonly number[]
    /** `released`: given back once nothing was in flight; `lease-ended`: another worker may already own them. */
    readonly reason: 'released' | 'lease-ended'
  }
  /** A worker has started, for these backends. */
  'worker.started': { readonly worker: string; readonly backends: readonly string[] }
  /** A worker has stopped: nothing it sent is in flight. */
  'worker.stopped': { readonly worker: string }
  /** Something went wrong that the worker survives, such as a database that cannot be reached. */
  'worker.error': { readonly worker: string; readonly error: unknown }
  /** The worker cannot use its database: a heartbeat failed, or a pool could not start it. It goes on trying. */
  'store.down': { readonly worker: string; readonly error: unknown }
  /** The worker can use its database again. */
  'store.up': { readonly worker: string }
  /** Retention deleted settled events. */
  'events.purged': { readonly worker: string; readonly count: number }
  /** A worker begins to delete what is past its time. */
  'retention.started': { readonly worker: string }
  /** Nothing past its time is left: what this clean-up deleted, and how long it took. */
  'retention.finished': {
    readonly worker: string
    readonly events: number
    readonly inbox: number
    readonly duration: number
  }
  /** A listener of a signal threw, or rejected. What it listened to went on. */
  'listener.failed': { readonly signal: SignalName; readonly error: unknown }
  /** A consumer has started: its subscription is open. */
  'consumer.started': { readonly consumer: string; readonly subscription: string }
  /** A consumer has stopped: no handler runs. */
  'consumer.stopped': { readonly consumer: string }
  /** Something went wrong that the consumer survives, such as a broker that cannot be reached. */
  'consumer.error': { readonly consumer: string; readonly error: unknown }
  /** Messages are gone before this consumer was given them, such as entries of a stream that were trimmed unread. */
  'consumer.gap': { readonly consumer: string; readonly subscription: string; readonly error: unknown }
  /**
   * How many messages the broker holds for the consumer, over all its processes; null = not known any more. Sent every ten
   * seconds while there is a listener.
   */
  'consumer.backlog': { readonly consumer: string; readonly messages: number | null }
  /** The handlers of a received event have succeeded, and that is committed. */
  'delivery.handled': DeliverySignal
  /** A received event had been handled before. */
  'delivery.duplicate': DeliverySignal
  /** A received event has no handler. */
  'delivery.ignored': DeliverySignal
  /** Handling failed; it is tried again after `delay`. `duration`: of the attempt. */
  'delivery.retried': {
    readonly consumer: string
    readonly messaging: Messaging | undefined
    readonly event: DeliveryEvent
    readonly attempt: number
    readonly delay: number
    readonly duration: number
    readonly error: unknown
  }
  /**
   * Gave up: it was dead-lettered, or the webhook's sender was told. `event` is undefined when unreadable. `duration`: of the
   * last attempt; null = there was none.
   */
  'delivery.failed': {
    readonly consumer: string
    readonly messaging: Messaging | undefined
    readonly event: DeliveryEvent | undefined
    readonly attempt: number
    readonly duration: number | null
    readonly error: unknown
  }
}

/** What is reported of a received event. */
export interface DeliverySignal {
  /** The name of the consumer. */
  readonly consumer: string
  /** What its subscription says it reads. */
  readonly messaging: Messaging | undefined
  /** The event that was received. */
  readonly event: DeliveryEvent
  /** Counts from 1, in this process. */
  readonly attempt: number
  /** How long handling took, in milliseconds. */
  readonly duration: number
}

/** The name of a signal. */
export type SignalName = keyof Signals

/** The names of all signals. */
export const SIGNAL_NAMES = [
  'event.created',
  'event.duplicate',
  'event.published',
  'event.retried',
  'event.failed',
  'event.blocked',
  'batch.sent',
  'batch.settled',
  'backend.down',
  'backend.up',
  'backend.unserved',
  'destination.down',
  'destination.up',
  'rate.waited',
  'lane.gained',
  'lane.lost',
  'worker.started',
  'worker.stopped',
  'worker.error',
  'store.down',
  'store.up',
  'events.purged',
  'retention.started',
  'retention.finished',
  'listener.failed',
  'consumer.started',
  'consumer.stopped',
  'consumer.error',
  'consumer.gap',
  'consumer.backlog',
  'delivery.handled',
  'delivery.duplicate',
  'delivery.ignored',
  'delivery.retried',
  'delivery.failed',
] as const satisfies readonly SignalName[]

/** What listeners receive: the message and the outbox it comes from (`Broadcaster.name`), or the consumer. */
export type SignalMessage<Name extends SignalName> = Signals[Name] & {
  /** The name of the Broadcaster. */
  readonly outbox: string
}

/** Kept up to date even without listeners: one that begins later asks what runs. */
const CHANGES: { readonly [Name in SignalName]?: (message: SignalMessage<Name>) => void } = RUNNING_CHANGES

const channels = new Map<SignalName, Channel>(SIGNAL_NAMES.map((name) => [name, channel(`broadcaster:${name}`)]))

/** The source of the signal that is being sent right now: listeners run synchronously. */
let sender: SignalSource | undefined

/** Sends signals of one outbox, and has those that report trouble written to its logger. */
export class SignalSource {
  /** The name of the Broadcaster. */
  readonly outbox: string
  readonly #log: SignalSink | undefined

  /** `logger` undefined = nothing is written. */
  constructor(outbox: string, logger?: Logger | StructuredLogger) {
    this.outbox = outbox
    this.#log = sinkOf(outbox, logger)
  }

  /** Whether there is a listener or a log: check before building a message on a hot path. */
  has(name: SignalName): boolean {
    return channels.get(name)?.hasSubscribers === true || this.#log?.writes(name) === true
  }

  /** Writes what the log has held back, since nothing may follow for long. */
  flush(): void {
    this.#log?.flush()
  }

  emit<Name extends SignalName>(name: Name, message: Signals[Name]): void {
    this.#log?.tell(name, message)
    const change: ((told: SignalMessage<Name>) => void) | undefined = CHANGES[name]
    change?.({ ...message, outbox: this.outbox })
    const to = channels.get(name)
    if (!to?.hasSubscribers) return
    const before = sender
    sender = this
    try {
      to.publish({ ...message, outbox: this.outbox })
    } finally {
      sender = before
    }
  }
}

/**
 * Listens to a signal of every outbox in this process. Returns the function that stops listening. What the listener
 * throws, or rejects with, does no harm: it is reported by the signal `listener.failed` and in the log.
 */
export function onSignal<Name extends SignalName>(
  name: Name,
  listener: (message: SignalMessage<Name>) => void,
): () => void {
  const to = channel(`broadcaster:${name}`)
  const receive = (message: unknown): void => {
    const source = sender
    // A listener that fails on this very signal is not reported: that would never end.
    const failed = (error: unknown): void => {
      if (name !== 'listener.failed') source?.emit('listener.failed', { signal: name, error })
    }
    try {
      const heard: unknown = listener(message as SignalMessage<Name>)
      if (heard instanceof Promise) heard.catch(failed)
    } catch (error) {
      failed(error)
    }
  }
  to.subscribe(receive)
  return () => {
    to.unsubscribe(receive)
  }
}
