import type { AttributeValue, EncodableEvent } from '../event/cloud-event.ts'
import { parseJson } from '../event/json.ts'
import { isoText } from '../foundation/iso-text.ts'
import type { ColumnName, OutboxEventColumns } from './columns.ts'

/** The columns that hold the event itself. */
export const EVENT_COLUMNS = [
  'id',
  'partitionKey',
  'eventId',
  'specVersion',
  'eventType',
  'source',
  'subject',
  'dataContentType',
  'dataSchema',
  'data',
  'dataBinary',
  'extensions',
  'eventTime',
  'createdAt',
] as const satisfies readonly ColumnName[]

/** The event of a row, ready for an encoder: attributes as values, data as it is stored. */
export function encodeRow(row: Pick<OutboxEventColumns, (typeof EVENT_COLUMNS)[number]>): EncodableEvent {
  const attributes: Record<string, AttributeValue> = {
    specversion: row.specVersion,
    id: row.eventId ?? row.id,
    source: row.source,
    type: row.eventType,
  }
  if (row.subject !== '') attributes['subject'] = row.subject
  attributes['time'] = timeOf(row)
  if (row.dataContentType !== '') attributes['datacontenttype'] = row.dataContentType
  if (row.dataSchema !== '') attributes['dataschema'] = row.dataSchema
  if (row.partitionKey !== null) attributes['partitionkey'] = row.partitionKey
  if (row.extensions !== null) Object.assign(attributes, parseJson(row.extensions))
  return { attributes, dataJson: row.data, dataBinary: row.dataBinary }
}

/** CloudEvents `time`: the caller's own, or when the row was made. */
export function timeOf({ eventTime, createdAt }: Pick<OutboxEventColumns, 'eventTime' | 'createdAt'>): string {
  return eventTime ?? isoText(createdAt)
}

/** A column that holds a JSON object; null = an empty one. */
export function readObject(text: string | null): Record<string, unknown> {
  return text === null || text === '' || text === '{}' ? {} : (parseJson(text) as Record<string, unknown>)
}
