import assert from 'node:assert/strict'
import type { Backend } from '../../src/backend/backend.ts'
import type { EncodableEvent } from '../../src/event/cloud-event.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'

/** Sends events through a backend, in this order, a thousand at a time; every one must be delivered. */
export async function publishTo(backend: Backend, events: readonly EncodableEvent[]): Promise<void> {
  for (let start = 0; start < events.length; start += 1_000) {
    const batch = events.slice(start, start + 1_000).map(outboxEventOf)
    const results = await backend.send(batch, AbortSignal.timeout(30_000))
    for (const result of results) assert.deepEqual(result, { ok: true })
  }
}

/** The outbox event that becomes this on the wire. */
export function outboxEventOf({ attributes, dataJson, dataBinary }: EncodableEvent): OutgoingEvent {
  const {
    specversion,
    id,
    source,
    type,
    subject = '',
    datacontenttype,
    dataschema = '',
    time,
    partitionkey,
    ...extensions
  } = attributes
  const event = sampleEvent({
    specVersion: String(specversion),
    eventId: String(id),
    source: String(source),
    eventType: String(type),
    subject: String(subject),
    dataContentType: String(datacontenttype ?? ''),
    dataSchema: String(dataschema),
    eventTime: time === undefined ? null : String(time),
    partitionKey: partitionkey === undefined ? null : String(partitionkey),
    extensions: Object.keys(extensions).length === 0 ? null : JSON.stringify(extensions),
    data: dataJson,
    dataBinary,
  })
  assert.deepEqual(event.toEncodable().attributes, attributes)
  return event
}
