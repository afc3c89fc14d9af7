import type { AttributeValue, CloudEvent } from './cloud-event.ts'

/**
 * An event as your code meets it: in handlers of the relay and of a `Consumer`, in a webhook's receiver, in signals of
 * consumers. The names are CloudEvents', in camel case; an attribute that the event does not have is undefined.
 *
 * @example async (event: DeliveryEvent<'order.created', Order>) => sendReceipt(event.data, event.id)
 */
export interface DeliveryEvent<Type extends string = string, Data = unknown> {
  /** Unique together with `source`. */
  readonly id: string
  /** Where it happened, a URI-reference such as `/orders`. */
  readonly source: string
  /** What happened, such as `order.created`. */
  readonly type: Type
  /** What it happened to. */
  readonly subject?: string | undefined
  /** RFC 3339, as the publisher gave it. An event of an outbox always has one. */
  readonly time?: string | undefined
  /** The media type of the data; undefined = JSON. */
  readonly dataContentType?: string | undefined
  /** The schema of the data, an absolute URI. */
  readonly dataSchema?: string | undefined
  /** Events with the same key are delivered in order. */
  readonly partitionKey?: string | undefined
  /** The extension attributes but `partitionkey`; `traceparent` is among them. */
  readonly extensions: Readonly<Record<string, AttributeValue>>
  /**
   * Parsed when it is first read. Integers beyond 2^53 are `bigint`, binary data is a `Uint8Array`; undefined = the
   * event has none. Throws `SyntaxError` for data that is not JSON, which only plain SQL can have written.
   */
  readonly data: Data
  /** The event as a plain object of CloudEvents' JSON format, `data_base64` for binary data. */
  toCloudEvent(): CloudEvent<Data>
}
