import type { DeliveryEvent } from '../event/delivery-event.ts'
import { describeError } from '../foundation/describe-error.ts'
import { errorType } from '../foundation/error-type.ts'
import { keyHash } from '../record/hash-key.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { SignalName, Signals } from './signals.ts'

/** What is written of a signal as it is. */
const AS_IT_IS: ReadonlySet<string> = new Set([
  ...['backend', 'destination', 'worker', 'backends', 'consumer', 'subscription', 'signal', 'reason'],
  ...['attempt', 'retryCount', 'blocks', 'headId', 'sent', 'delivered'],
  ...['published', 'retried', 'failed', 'blocked', 'lost', 'events', 'inbox'],
])

/**
 * The fields of a signal's line. Never the data of an event, and its key only as a hash unless `keys`. The name of a field that is a
 * time ends with its unit. Pure.
 */
export function logFields<Name extends SignalName>(
  name: Name,
  message: Signals[Name],
  { outbox, keys }: { readonly outbox: string; readonly keys: boolean },
): Record<string, unknown> {
  const fields: Record<string, unknown> = { event: `broadcaster.${name}` }
  // A consumer's signals name it, and no outbox.
  if (!('consumer' in message)) fields['outbox'] = outbox
  for (const [member, value] of Object.entries(message)) {
    if (AS_IT_IS.has(member)) fields[member] = value
  }
  if ('record' in message) {
    if (!('backend' in message)) fields['backend'] = message.record.publisherBackend
    Object.assign(fields, recordFields(message.record, keys))
  }
  if ('event' in message && message.event !== undefined) Object.assign(fields, eventFields(message.event, keys))
  if ('lanes' in message) fields['lanes'] = message.lanes.length
  if ('delay' in message) fields['delayMs'] = rounded(message.delay)
  if ('duration' in message && message.duration !== null) fields['durationMs'] = rounded(message.duration)
  if ('ages' in message && message.ages.length > 0) fields['oldestMs'] = rounded(Math.max(...message.ages))
  if ('error' in message) Object.assign(fields, errorFields(message.error))
  return fields
}

function recordFields(record: OutboxEvent, keys: boolean): object {
  // A row that could not be read has no such members.
  if (!(record instanceof OutboxEvent)) return {}
  const { id, eventId, eventType, source, partitionKey, maxRetries } = record
  return { id, eventId, eventType, source, ...keyField(partitionKey, keys), maxRetries }
}

function eventFields({ id, type, source, partitionKey }: DeliveryEvent, keys: boolean): object {
  return { eventId: id, eventType: type, source, ...keyField(partitionKey, keys) }
}

function keyField(key: string | null | undefined, keys: boolean): object {
  if (key == null) return {}
  return keys ? { key } : { keyHash: keyHash(key) }
}

function errorFields(error: unknown): object {
  return { errorType: errorType(error), errorMessage: describeError(error) }
}

/** To a tenth of a millisecond. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10
}
