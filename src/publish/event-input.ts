import type { Catalogue, DataInput, EventType, NoCatalogue, UnlistedEvents } from '../event/catalogue.ts'
import type { AttributeValue } from '../event/cloud-event.ts'

/**
 * Extension attributes: any name of a-z and 0-9 except those of CloudEvents itself, which `publish` refuses, so they do
 * not compile here either.
 */
export interface ExtensionsInput {
  /** An attribute: a name of a-z and 0-9, and its value; undefined = not there. */
  readonly [name: string]: AttributeValue | undefined
  /** The same as `partitionKey` of the event. */
  readonly partitionkey?: string | undefined
  readonly specversion?: undefined
  readonly id?: undefined
  readonly source?: undefined
  readonly type?: undefined
  readonly subject?: undefined
  readonly time?: undefined
  readonly datacontenttype?: undefined
  readonly dataschema?: undefined
  readonly data?: undefined
  readonly data_base64?: undefined
}

/**
 * CloudEvent members that an event input has under another name, or not at all. Without this they would compile here:
 * in a union with `CloudEventInput` TypeScript accepts the members of either.
 */
interface NotOfAnInput {
  readonly specversion?: undefined
  readonly datacontenttype?: undefined
  readonly dataschema?: undefined
  readonly partitionkey?: undefined
  readonly data_base64?: undefined
}

/** Everything of an event but its data. */
interface EventFields<Type extends string> extends NotOfAnInput {
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
  /**
   * CloudEvents `datacontenttype`; at most 100 characters, empty = none. Default: `application/json`, for bytes
   * `application/octet-stream`.
   */
  readonly dataContentType?: string | undefined
  /** CloudEvents `dataschema`, an absolute URI; at most 200 characters. Default: none. */
  readonly dataSchema?: string | undefined
  /** Events with the same key are delivered in order; at most 255 characters. Default: none, no order. */
  readonly partitionKey?: string | undefined
  /** CloudEvents extension attributes, such as `traceparent`. Default: none. */
  readonly extensions?: ExtensionsInput | undefined
}

/** Data may be left out when its type allows that. */
type DataField<Data> = unknown extends Data
  ? {
      /** What the event is about. Default: none. */
      readonly data?: unknown
    }
  : undefined extends Data
    ? {
        /** What the event is about. Default: none. */
        readonly data?: Data
      }
    : {
        /** What the event is about. */
        readonly data: Data
      }

/**
 * An event as `publish` takes it. `data` is anything that JSON can hold (`bigint` too, and `JSON.rawJSON`; `NaN`, an
 * invalid `Date`, a `Map`, `Set`, `Error`, `Promise` or `RegExp` is refused), a text for a content type that is not
 * JSON, or bytes.
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

/** What `broadcaster.events.create` takes: the same as `publish`. */
export type CreateInput<Events extends Catalogue | NoCatalogue, Unlisted extends UnlistedEvents> =
  | EventInput<Events, EventType<Events, Unlisted>>
  | CloudEventInput<EventType<Events, Unlisted>>

/**
 * Members of an event input that a CloudEvent does not have. For a union the compiler suggests only names that both
 * have: without this, for `partionKey`, only the wrong `partitionkey`.
 */
interface NotOfACloudEvent {
  readonly partitionKey?: undefined
  readonly dataContentType?: undefined
  readonly dataSchema?: undefined
  readonly extensions?: undefined
}

/**
 * A CloudEvent object: ours (see `createCloudEvent`), or one of the official package `cloudevents`. It may carry any
 * extension attributes; there is no index signature, so that a misspelt member of an `EventInput` does not compile.
 */
export interface CloudEventInput<Type extends string = string> extends NotOfACloudEvent {
  /** The version of CloudEvents: `1.0`. */
  readonly specversion: string
  /** Makes publishing idempotent: the same source and id is stored once per backend. At most 255 characters. */
  readonly id: string
  /** A URI-reference such as `/orders`; at most 255 characters. */
  readonly source: string
  /** Any text. With plain `string` here a template such as `order.${name}` would no longer be inferred as a type. */
  readonly type: NoInfer<Type> | (string & Record<never, never>)
  /** At most 255 characters. Default: none. */
  readonly subject?: string | undefined
  /** When it happened, RFC 3339. Default: `createdAt`, by the database's clock. */
  readonly time?: string | undefined
  /** At most 100 characters. Default: JSON. */
  readonly datacontenttype?: string | undefined
  /** An absolute URI, at most 200 characters. Default: none. */
  readonly dataschema?: string | undefined
  /** Events with the same key are delivered in order; at most 255 characters. Default: none, no order. */
  readonly partitionkey?: unknown
  /** Any JSON value, or a text for a content type that is not JSON. Default: none. */
  readonly data?: unknown
  /** Binary data in Base64, in place of `data`. Default: none. */
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
  /** Retries after the first attempt before the event is `failed`. Default: the Broadcaster's `maxRetries`. */
  readonly maxRetries?: number | undefined
  /** Options of this event for its backend, such as a stream name. Default: none. */
  readonly backendConfig?: Readonly<Record<string, unknown>> | undefined
  /** The order key, for events that do not carry one themselves. Default: none. */
  readonly partitionKey?: string | undefined
}
