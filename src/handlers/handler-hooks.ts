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
 * What is done between an event and its handlers: those of the relay, of a `Consumer` and of a webhook's receiver. What one of
 * them throws counts as if a handler had thrown it, and the time that it takes is the handler's.
 */
export interface HandlerHooks {
  /**
   * Data in place of the event's, once for all its handlers of an attempt and before its schema sees it: what undoes `encode` of
   * publish. Undefined = as it is.
   */
  readonly decode?: (
    event: DeliveryEvent,
    signal: AbortSignal,
  ) => DecodedData | undefined | PromiseLike<DecodedData | undefined>
  /**
   * Around each call of a handler: calls it, once, and ends as it does. When the handler's time is over `call` rejects with
   * `HANDLER_TIMEOUT` and calls nothing.
   */
  readonly aroundHandler?: (
    event: DeliveryEvent,
    context: HandlerContext,
    call: () => Promise<unknown>,
    place: HandlingPlace,
  ) => Promise<unknown>
}

/** The event as its handlers get it. `received`: the same as one that can have other data. */
export async function decodedEvent(
  decode: NonNullable<HandlerHooks['decode']>,
  event: DeliveryEvent,
  received: () => ReceivedEvent,
  signal: AbortSignal,
): Promise<ReceivedEvent> {
  const decoded = await decode(event, signal)
  return decoded === undefined ? received() : received().withData(decoded.data, decoded.dataContentType)
}

/** Calls a handler, through the hook around it. One whose time is over by then is not called: `HANDLER_TIMEOUT`. */
export function callHandler(
  hooks: HandlerHooks | undefined,
  handler: Handler,
  event: DeliveryEvent,
  context: HandlerContext,
  place: () => HandlingPlace,
): Promise<unknown> {
  const call = async (): Promise<unknown> => {
    // It is no longer waited for, its transaction is over, and the next attempt may run already.
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
