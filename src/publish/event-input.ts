import type { DataInput, NoCatalogue, UnlistedEvents } from '../event/catalogue.ts'
import type { AttributeValue } from '../event/cloud-event.ts'

/** Everything of an event but its data. */
interface EventFields<Type extends string> {
  /** CloudEvents `type`, such as `order.created`; at most 255 characters. */
  readonly type: Type
  /** CloudEvents `source`, a URI-reference such as `/orders`; at most 255 characters. */
  readonly source: string
  /** CloudEvents `subject`; at most 255 characters. Default: none. */
  readonly subject?: string | undefined
  /**
   * Your own CloudEvents id; at most 255 characters. With it publishing is idempotent: the same source and id for
   * the same backend is stored once. Default: the id of the outbox event, a new UUID.
   */
  readonly id?: string | undefined
  /** When it happened, a `Date` or RFC 3339. Default: `createdAt`, by the database's clock. */
  readonly time?: Date | string | undefined
  /** CloudEvents `datacontenttype`; at most 100 characters, empty = none. Default: `application/json`, for bytes `application/octet-stream`. */
  readonly dataContentType?: string | undefined
  /** CloudEvents `dataschema`, an absolute URI; at most 200 characters. Default: none. */
  readonly dataSchema?: string | undefined
  /** Events with the same key are delivered in order; at most 255 characters. Default: none, no order. */
  readonly partitionKey?: string | undefined
  /** CloudEvents extension attributes, such as `traceparent`. Default: none. */
  readonly extensions?: Readonly<Record<string, AttributeValue | undefined>> | undefined
}

/** Data may be left out when its type allows that. */
type DataField<Data> = unknown extends Data
  ? { readonly data?: unknown }
  : undefined extends Data
    ? { readonly data?: Data }
    : { readonly data: Data }

/**
 * An event as `publish` takes it. `data` is anything that JSON can hold (`bigint` too, and `JSON.rawJSON`), a text for
 * a content type that is not JSON, or bytes.
 */
export type EventInput<Events = NoCatalogue, Type extends string = string> = EventFields<Type> &
  DataField<DataInput<Events, Type>>

/** Any of the events of a catalogue, for lists. */
export type AnyEventInput<Events = NoCatalogue, Unlisted extends UnlistedEvents = 'refuse'> = [keyof Events] extends [
  never,
]
  ? EventInput
  :
      | { [Type in keyof Events & string]: EventInput<Events, Type> }[keyof Events & string]
      | (Unlisted extends 'allow' ? EventInput : never)

/**
 * A CloudEvent object: ours (see `createCloudEvent`), or one of the official package `cloudevents`. It may carry any
 * extension attributes; there is no index signature, so that a misspelt member of an `EventInput` does not compile.
 */
export interface CloudEventInput<Type extends string = string> {
  readonly specversion: string
  readonly id: string
  readonly source: string
  /** Any text. Beside a plain `string` a template such as `order.${name}` would be taken for one, and not for an event's type. */
  readonly type: NoInfer<Type> | (string & Record<never, never>)
  readonly subject?: string | undefined
  readonly time?: string | undefined
  readonly datacontenttype?: string | undefined
  readonly dataschema?: string | undefined
  readonly partitionkey?: unknown
  readonly data?: unknown
  readonly data_base64?: string | undefined
}

/** How to deliver what is published. */
export interface PublishOptions {
  /** One backend or several, by name. Default: the first route that takes the type, else the default backend. */
  readonly backend?: string | readonly string[] | undefined
  /** Not delivered before this instant. Default: at once. */
  readonly scheduledAt?: Date | undefined
  /** Not delivered before this many milliseconds have passed by the database's clock. Default: 0. */
  readonly delay?: number | undefined
  /** How often delivery is tried again after the first attempt before it is `failed`. Default: the Broadcaster's `maxRetries`. */
  readonly maxRetries?: number | undefined
  /** Options of this event for its backend, such as a stream name. Default: none. */
  readonly backendConfig?: Readonly<Record<string, unknown>> | undefined
  /** The order key, for events that do not carry one themselves. Default: none. */
  readonly partitionKey?: string | undefined
}
