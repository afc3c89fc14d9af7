import type { DeliveryEvent } from '../event/delivery-event.ts'

/** What a handler gets beside the event: the same members from the relay and from a `Consumer`. */
export interface HandlerContext<Tx = unknown> {
  /**
   * The open transaction that also marks the event as handled: what is written on it commits if and only if every
   * handler of the event succeeds. Undefined without one: a relay's handlers have it with
   * `handlers(registry, { transactional: true })`, a consumer's unless `inbox: false`.
   */
  readonly tx: Tx
  /** Aborts when the handler's time is over, or the event is taken from this process: stop as soon as possible. */
  readonly signal: AbortSignal
  /** Counts from 1: by the outbox, or by a consumer in its own process. */
  readonly attempt: number
  /** How often it was delivered, this time included; 1 where the broker does not count. From the relay: `attempt`. */
  readonly deliveries: number
  /**
   * Where the event was, for people to read: `events 1700000000000-0`. From the relay: `outbox` and the id of its row.
   */
  readonly position: string
}

/**
 * Code for one event, run by the relay (`HandlerRegistry`) or by a `Consumer`. Returning (or resolving) means done;
 * throwing means that it runs again later. It may declare the types of data and transaction that it expects: where
 * nothing contradicts them, the compiler believes it.
 */
export type Handler<Type extends string = string, Data = unknown, Tx = unknown> = {
  // A method, since the compiler accepts a narrower parameter only in methods.
  handle(event: DeliveryEvent<Type, Data>, context: HandlerContext<Tx>): unknown
}['handle']
