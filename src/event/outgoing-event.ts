import type { EncodableEvent } from './cloud-event.ts'
import type { DeliveryEvent } from './delivery-event.ts'

/** An event as a backend gets it: what to deliver, and what is known about its delivery. */
export interface OutgoingEvent<Type extends string = string, Data = unknown> extends DeliveryEvent<Type, Data> {
  /** UUID of its row in the outbox: one for each backend that the event goes to. */
  readonly recordId: string
  /** Insertion order, assigned by the database: greater for what was published later, with gaps. */
  readonly seq: number
  readonly time: string
  /** When it was published, by the database's clock. */
  readonly createdAt: Date
  /** The stored JSON text of the data, untouched; null = none, or binary. */
  readonly dataJson: string | null
  /** The stored data when it is binary. */
  readonly dataBinary: Uint8Array | null
  /** Counts from 1. An attempt that an outage ended does not count. */
  readonly attempt: number
  /** What the backend remembers about this event since an earlier attempt; null = nothing. */
  readonly progress: unknown
  /** This event's options for its backend: `backendConfig` of `publish`. */
  readonly config: Readonly<Record<string, unknown>>
  /** The event ready for an encoder: attributes as values, data as it is stored. */
  toEncodable(): EncodableEvent
}
