import type { AttributeValue, CloudEvent, EncodableEvent } from '../event/cloud-event.ts'
import { cloudEventOf, dataOf } from '../event/encodable.ts'
import { parseJson } from '../event/json.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { INSPECT } from '../foundation/inspect-symbol.ts'
import type { SendRow } from './columns.ts'
import { encodeRow, readObject, timeOf } from './encode-row.ts'

/**
 * The event of a row that the relay fetched. Nothing is copied or parsed before it is asked for: there is one for each
 * event in flight, and most backends need little of it.
 */
export class FetchedEvent<Type extends string = string, Data = unknown> implements OutgoingEvent<Type, Data> {
  readonly #row: SendRow
  #data: { readonly value: unknown } | undefined

  constructor(row: SendRow) {
    this.#row = row
  }

  get id(): string {
    return this.#row.eventId ?? this.#row.id
  }
  get recordId(): string {
    return this.#row.id
  }
  get seq(): number {
    // Rows without one, which Django wrote before the take-over, are not fetched.
    return this.#row.seq ?? 0
  }
  get source(): string {
    return this.#row.source
  }
  get type(): Type {
    return this.#row.eventType as Type
  }
  get subject(): string | undefined {
    return this.#row.subject || undefined
  }
  get time(): string {
    return timeOf(this.#row)
  }
  get createdAt(): Date {
    return this.#row.createdAt
  }
  get dataContentType(): string | undefined {
    return this.#row.dataContentType || undefined
  }
  get dataSchema(): string | undefined {
    return this.#row.dataSchema || undefined
  }
  get partitionKey(): string | undefined {
    return this.#row.partitionKey ?? undefined
  }
  get dataJson(): string | null {
    return this.#row.data
  }
  get dataBinary(): Uint8Array | null {
    return this.#row.dataBinary
  }
  get attempt(): number {
    return this.#row.retryCount + 1
  }

  get extensions(): Readonly<Record<string, AttributeValue>> {
    return readObject(this.#row.extensions) as Record<string, AttributeValue>
  }

  get config(): Readonly<Record<string, unknown>> {
    return readObject(this.#row.publisherConfig)
  }

  get progress(): unknown {
    const { progress } = this.#row
    return progress === null ? null : parseJson(progress)
  }

  get data(): Data {
    this.#data ??= { value: dataOf({ dataJson: this.#row.data, dataBinary: this.#row.dataBinary }) }
    return this.#data.value as Data
  }

  toEncodable(): EncodableEvent {
    return encodeRow(this.#row)
  }

  toCloudEvent(): CloudEvent<Data> {
    return cloudEventOf(this.toEncodable(), this.data)
  }

  /** For `JSON.stringify` and logs. */
  toJSON(): CloudEvent<Data> {
    return this.toCloudEvent()
  }

  [INSPECT](): CloudEvent<Data> {
    return this.toCloudEvent()
  }

  /** `type - id`. */
  toString(): string {
    return `${this.type} - ${this.id}`
  }
}
