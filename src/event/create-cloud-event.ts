import type { CloudEvent } from './cloud-event.ts'
import { uuidV7 } from './uuid.ts'
import { validateCloudEvent } from './validate-cloud-event.ts'

/** What `createCloudEvent` needs: any CloudEvent attributes, `type` and `source` at least. */
export interface CloudEventInit<Data = unknown> {
  /** What happened, such as `order.created`. */
  readonly type: string
  /** Where it happened, a URI-reference such as `/orders`. */
  readonly source: string
  /** The version of CloudEvents. Default: `1.0`. */
  readonly specversion?: '1.0' | undefined
  /** Default: a new UUID of version 7. */
  readonly id?: string | undefined
  /** What it happened to. Default: none. */
  readonly subject?: string | undefined
  /** RFC 3339, or `true` for this host's now. Default: none; the stored event then has the database's `createdAt`. */
  readonly time?: string | true | undefined
  /** The media type of the data. Default: none, which means JSON. */
  readonly datacontenttype?: string | undefined
  /** The schema of the data, an absolute URI. Default: none. */
  readonly dataschema?: string | undefined
  /** The data, any JSON value. Default: none. */
  readonly data?: Data | undefined
  /** Binary data in Base64, in place of `data`. Default: none. */
  readonly data_base64?: string | undefined
  /** An extension attribute, such as `traceparent`: a name of a-z and 0-9. */
  readonly [extension: string]: unknown
}

/**
 * A valid CloudEvent: fills in `specversion` and `id`, leaves out what is undefined. Throws `INVALID_EVENT` with
 * everything that is wrong.
 *
 * @example createCloudEvent({ type: 'order.created', source: '/orders', data: { total: 10 } })
 */
export function createCloudEvent<Data = unknown>(init: CloudEventInit<Data>): CloudEvent<Data> {
  // What is no object is refused as such, not by what its members lack.
  if (typeof init !== 'object' || init === null) validateCloudEvent(init)
  const event: Record<string, unknown> = { specversion: '1.0', id: uuidV7() }
  for (const [name, value] of Object.entries(init)) {
    if (value === undefined) continue
    event[name] = name === 'time' && value === true ? new Date().toISOString() : value
  }
  validateCloudEvent(event)
  return event as CloudEvent<Data>
}
