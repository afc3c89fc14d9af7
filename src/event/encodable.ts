import { decodeBase64, encodeBase64 } from './base64.ts'
import type { AttributeValue, CloudEvent, EncodableEvent } from './cloud-event.ts'
import { parseJson, stringifyJson } from './json.ts'
import { validateCloudEvent } from './validate-cloud-event.ts'

/**
 * A CloudEvent object made ready for an encoder: its data is written as JSON, once. Throws `INVALID_EVENT` for an
 * invalid event, `INVALID_DATA` for data that JSON cannot hold.
 */
export function toEncodable(event: CloudEvent): EncodableEvent {
  validateCloudEvent(event)
  const { data, data_base64: base64, ...given } = event
  const attributes: Record<string, AttributeValue> = {
    specversion: event.specversion,
    id: event.id,
    source: event.source,
    type: event.type,
  }
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && value !== null) attributes[name] = value as AttributeValue
  }
  return {
    attributes,
    dataJson: data === undefined || data === null ? null : stringifyJson(data),
    dataBinary: typeof base64 === 'string' ? decodeBase64(base64) : null,
  }
}

/** The data of an event, parsed: integers beyond 2^53 become `bigint`; undefined = it has none. */
export function dataOf({ dataJson, dataBinary }: Pick<EncodableEvent, 'dataJson' | 'dataBinary'>): unknown {
  return dataBinary ?? (dataJson === null ? undefined : parseJson(dataJson))
}

/** An event as a CloudEvent object, with data that was parsed already. */
export function cloudEventOf<Data>({ attributes, dataBinary }: EncodableEvent, data: Data): CloudEvent<Data> {
  const made: Record<string, unknown> = { ...attributes }
  if (dataBinary) made['data_base64'] = encodeBase64(dataBinary)
  else if (data !== undefined) made['data'] = data
  return made as unknown as CloudEvent<Data>
}

/** An encodable event as a CloudEvent object; integers beyond 2^53 in its data become `bigint`. */
export function toCloudEvent<Data = unknown>(event: EncodableEvent): CloudEvent<Data> {
  return cloudEventOf(event, dataOf(event) as Data)
}
