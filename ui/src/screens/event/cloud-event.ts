import type { EventDetail } from '../../api/types.ts'
import { type JsonNode, jsonText, jsonTree } from '../../words/json-tree.ts'

const text = (value: string): JsonNode => ({ kind: 'string', value })

/** The attributes of CloudEvents 1.0 and the extensions, in their usual order; what is empty is left out. Pure. */
export function attributesOf(event: EventDetail): readonly { readonly name: string; readonly node: JsonNode }[] {
  const known: readonly (readonly [string, string | null])[] = [
    ['specversion', event.specVersion],
    ['id', event.eventId],
    ['source', event.source],
    ['type', event.type],
    ['subject', event.subject],
    ['time', event.eventTime ?? event.createdAt],
    ['datacontenttype', event.dataContentType],
    ['dataschema', event.dataSchema],
    ['partitionkey', event.key],
  ]
  const extensions = jsonTree(event.extensionsText)
  return [
    ...known.flatMap(([name, value]) => (value === null || value === '' ? [] : [{ name, node: text(value) }])),
    ...(extensions?.kind === 'object'
      ? extensions.entries.filter(({ name }) => name !== 'partitionkey' || event.key === null)
      : []),
  ]
}

/** The event as CloudEvents' JSON, its data as stored, to the last digit. Pure. */
export function cloudEventText(event: EventDetail): string {
  const data = event.dataText === null ? undefined : (jsonTree(event.dataText) ?? text(event.dataText))
  const entries = [
    ...attributesOf(event),
    ...(data === undefined ? [] : [{ name: 'data', node: data }]),
    ...(event.dataBase64 === null ? [] : [{ name: 'data_base64', node: text(event.dataBase64) }]),
  ]
  return jsonText({ kind: 'object', entries })
}

/** The event posted to an address of the reader's. Pure. */
export function curlText(event: EventDetail): string {
  const quoted = `'${cloudEventText(event).replaceAll("'", `'\\''`)}'`
  return `curl --request POST "$URL" \\\n  --header 'content-type: application/cloudevents+json' \\\n  --data-raw ${quoted}`
}

/** The trace that the event belongs to; undefined = none is named. Pure. */
export function traceOf(event: EventDetail): string | undefined {
  const found = attributesOf(event).find(({ name }) => name === 'traceparent')?.node
  return found?.kind === 'string' ? /^[\da-f]{2}-([\da-f]{32})-/.exec(found.value)?.[1] : undefined
}
