import { BroadcasterError } from '../errors.ts'
import type { DeliveryEvent } from '../event/delivery-event.ts'
import type { Messaging } from '../event/messaging.ts'
import type { ReceivedEvent } from '../event/received-event.ts'
import type { Handler, HandlerContext } from './handler.ts'

/** Data as handlers are to get it. */
export interface DecodedData {
  /** Undefined = none. */
  readonly data: unknown
  /** Default: as it was. */
  readonly dataContentType?: string
}

/** Who handles an event, and where that came from. */
export interface HandlingPlace {
  /** The name of the consumer, the receiver, or the relay's handler. */
  readonly consumer: string
  /** What a consumer's subscription says it reads. */
  readonly messaging: Messaging | undefined
}

/**
 * What is done between an event and its handlers, in the relay, a `Consumer` and a webhook receiver. What a hook throws
 * counts as if the handler had thrown it, and the time it takes is the handler's.
 */
export interface HandlerHooks {
  /**
   * Replaces the event's data, once per attempt for all handlers and before its schema sees it: undoes the `encode`
   * hook of publish. Undefined = as it is.
   */
  readonly decode?: (
    event: DeliveryEvent,
    signal: AbortSignal,
  ) => DecodedData | undefined | PromiseLike<DecodedData | undefined>
  /**
   * Wraps each call of a handler: must call it once and end as it does. When the handler's time is over, `call` rejects
   * with `HANDLER_TIMEOUT` and calls nothing.
   */
  readonly aroundHandler?: (
    event: DeliveryEvent,
    context: HandlerContext,
    call: () => Promise<unknown>,
    place: HandlingPlace,
  ) => Promise<unknown>
}

/** The event as its handlers get it. `received` makes the copy that gets other data. */
export async function decodedEvent(
  decode: NonNullable<HandlerHooks['decode']>,
  event: DeliveryEvent,
  received: () => ReceivedEvent,
  signal: AbortSignal,
): Promise<ReceivedEvent> {
  const decoded = await decode(event, signal)
  return decoded === undefined ? received() : received().withData(decoded.data, decoded.dataContentType)
}

/** Calls a handler through its hook. A handler whose time is over by then is not called: `HANDLER_TIMEOUT`. */
export function callHandler(
  hooks: HandlerHooks | undefined,
  handler: Handler,
  event: DeliveryEvent,
  context: HandlerContext,
  place: () => HandlingPlace,
): Promise<unknown> {
  const call = async (): Promise<unknown> => {
    // Nobody waits for it any more, its transaction is over, and the next attempt may already be running.
    if (context.signal.aborted) throw tooLate(event.type)
    return handler(event, context)
  }
  const around = hooks?.aroundHandler
  return around ? (async () => around(event, context, call, place()))() : call()
}

function tooLate(type: string): BroadcasterError {
  const message = `the handler of '${type}' was not called: its time was over before (handlerTimeout)`
  return new BroadcasterError('HANDLER_TIMEOUT', message)
}
