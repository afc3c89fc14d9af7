import { INSPECT } from '../foundation/inspect-symbol.ts'
import type { AttributeValue, CloudEvent, EncodableEvent } from './cloud-event.ts'
import type { DeliveryEvent } from './delivery-event.ts'
import { cloudEventOf, dataOf } from './encodable.ts'

/** Attributes that an event has as members of their own. */
const NAMED: ReadonlySet<string> = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'subject',
  'time',
  'datacontenttype',
  'dataschema',
  'partitionkey',
])

/** An event as it came from a broker, decoded and not copied. */
export class ReceivedEvent<Type extends string = string, Data = unknown> implements DeliveryEvent<Type, Data> {
  readonly #received: EncodableEvent
  #data: { readonly value: unknown } | undefined

  /** `data`: its data as a schema returned it. */
  constructor(received: EncodableEvent, data?: { readonly value: unknown }) {
    this.#received = received
    this.#data = data
  }

  /** The same event with other data; `dataContentType`: undefined = as it was. */
  withData(value: unknown, dataContentType?: string): ReceivedEvent<Type> {
    const { attributes } = this.#received
    const described = dataContentType === undefined ? attributes : { ...attributes, datacontenttype: dataContentType }
    const dataBinary = value instanceof Uint8Array ? value : null
    return new ReceivedEvent({ attributes: described, dataJson: null, dataBinary }, { value })
  }

  get id(): string {
    return String(this.#received.attributes['id'])
  }
  get source(): string {
    return String(this.#received.attributes['source'])
  }
  get type(): Type {
    return String(this.#received.attributes['type']) as Type
  }
  get subject(): string | undefined {
    return this.#text('subject')
  }
  get time(): string | undefined {
    return this.#text('time')
  }
  get dataContentType(): string | undefined {
    return this.#text('datacontenttype')
  }
  get dataSchema(): string | undefined {
    return this.#text('dataschema')
  }
  get partitionKey(): string | undefined {
    return this.#text('partitionkey')
  }

  get extensions(): Readonly<Record<string, AttributeValue>> {
    return Object.fromEntries(Object.entries(this.#received.attributes).filter(([name]) => !NAMED.has(name)))
  }

  get data(): Data {
    this.#data ??= { value: dataOf(this.#received) }
    return this.#data.value as Data
  }

  toCloudEvent(): CloudEvent<Data> {
    return cloudEventOf(this.#received, this.data)
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

  #text(name: string): string | undefined {
    const value = this.#received.attributes[name]
    return value === undefined ? undefined : String(value)
  }
}
