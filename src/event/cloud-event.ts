/** A value that a CloudEvents extension attribute may have (CloudEvents 1.0, section 2.4.1 type system). */
export type AttributeValue = string | number | boolean

/**
 * A CloudEvent 1.0 as a plain object, the shape of its JSON format. Extension attributes are members like the others.
 * `data` and `data_base64` exclude each other.
 */
export interface CloudEvent<Data = unknown> {
  /** The version of CloudEvents. */
  readonly specversion: '1.0'
  /** Unique together with `source`. */
  readonly id: string
  /** Where it happened, a URI-reference such as `/orders`. */
  readonly source: string
  /** What happened, such as `order.created`. */
  readonly type: string
  /** What it happened to. Default: none. */
  readonly subject?: string
  /** RFC 3339. */
  readonly time?: string
  /** The media type of the data. Default: JSON. */
  readonly datacontenttype?: string
  /** The schema of the data, an absolute URI. Default: none. */
  readonly dataschema?: string
  /** The data, any JSON value. Default: none. */
  readonly data?: Data
  /** Binary data in Base64 (RFC 4648). */
  readonly data_base64?: string
  /** An extension attribute, such as `traceparent`: a name of a-z and 0-9. */
  readonly [extension: string]: unknown
}

/**
 * An event ready for the wire, whatever the encoding: attributes as values, data as text that is never parsed.
 * `OutboxEvent.toEncodable()` makes one.
 */
export interface EncodableEvent {
  /** All context attributes by CloudEvents name, `specversion`, `id`, `source`, `type` first; absent ones left out. */
  readonly attributes: Readonly<Record<string, AttributeValue>>
  /** JSON text of the `data` member, exactly as it came; for a non-JSON text type it is a JSON string. Null = none. */
  readonly dataJson: string | null
  /** Binary data; null = none. At most one of `dataJson` and `dataBinary` is set. */
  readonly dataBinary: Uint8Array | null
}
