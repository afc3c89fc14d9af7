import { encodeBinaryHttp } from '../../event/http.ts'
import { BATCH_CONTENT_TYPE, encodeStructured, STRUCTURED_CONTENT_TYPE } from '../../event/structured.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { PermanentError } from '../send-error.ts'
import { hashedId, messageId } from './signature.ts'

/** What one request carries: an event, or several. */
export interface Message {
  /** The same at each attempt: that of the row, or one made of the content of a batch. */
  readonly id: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
}

/** One event as a request. Throws `PermanentError` when it cannot be written as one. */
export function eventMessage(event: OutboxEvent, mode: 'structured' | 'binary'): Message {
  // The event's own id is unique with its source only, and may be anything; a receiver drops the ids that it has seen.
  const id = messageId('event_', event.id)
  if (mode === 'structured') {
    return { id, headers: { 'content-type': STRUCTURED_CONTENT_TYPE }, body: structuredText(event) }
  }
  try {
    return { id, ...encodeBinaryHttp(event.toEncodable()) }
  } catch (cause) {
    throw unwritable(cause)
  }
}

/** The event as JSON. Throws `PermanentError` when it cannot be written. */
export function structuredText(event: OutboxEvent): string {
  try {
    return encodeStructured(event.toEncodable())
  } catch (cause) {
    throw unwritable(cause)
  }
}

/** Events, each as JSON, as one request. */
export function batchMessage(texts: readonly string[]): Message {
  const body = `[${texts.join(',')}]`
  return { id: hashedId('batch_', body), headers: { 'content-type': BATCH_CONTENT_TYPE }, body }
}

function unwritable(cause: unknown): PermanentError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new PermanentError(`the event cannot be written as a request: ${reason}`, { cause })
}
