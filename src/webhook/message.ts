import { PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { encodeBinaryHttp } from '../event/http.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { BATCH_CONTENT_TYPE, encodeStructured, STRUCTURED_CONTENT_TYPE } from '../event/structured.ts'
import { errorMessage } from '../foundation/error-message.ts'
import { showValue } from '../foundation/problem.ts'
import { hashedId, messageId } from './signature.ts'

/** What one request carries: an event, or several. */
export interface Message {
  /** The same at each attempt: made of the row's id, or of the content of a batch. */
  readonly id: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
}

/** One event as a request. Throws `PermanentError` when it cannot be written as one. */
export function eventMessage(event: OutgoingEvent, mode: 'structured' | 'binary'): Message {
  // The event's own id is unique only with its source, and may be any text; a receiver drops ids that it has seen.
  const id = messageId('event_', event.recordId)
  if (mode === 'structured') {
    return { id, headers: { 'content-type': STRUCTURED_CONTENT_TYPE }, body: structuredText(event) }
  }
  try {
    checkHeaders(event)
    return { id, ...encodeBinaryHttp(event.toEncodable()) }
  } catch (cause) {
    throw unwritable(cause)
  }
}

/** An HTTP token, which a header's name must be; here without the prefix. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** Beyond ASCII a header has no defined charset: one end writes Latin-1, the other reads UTF-8. */
const VALUE = /^[\t\x20-\x7e]*$/

/**
 * Throws `INVALID_EVENT` for an attribute that binary mode cannot carry as a header. Values are percent-encoded, but
 * the content type is written as it is, and an extension that was written by SQL may have any name.
 */
export function checkHeaders(event: OutgoingEvent): void {
  const { datacontenttype = '', ...others } = event.toEncodable().attributes
  if (!VALUE.test(String(datacontenttype))) {
    const message = `datacontenttype is ${showValue(datacontenttype)}, and an HTTP header carries ASCII only; write it in ASCII, or use mode: 'structured'`
    throw new BroadcasterError('INVALID_EVENT', message, { field: 'datacontenttype', value: datacontenttype })
  }
  const wrong = Object.keys(others).find((name) => !NAME.test(name))
  if (wrong === undefined) return
  const message = `${showValue(wrong)} is not the name of an HTTP header; the names of extensions are a-z and 0-9`
  throw new BroadcasterError('INVALID_EVENT', message, { field: wrong, value: others[wrong] })
}

/** The event as JSON. Throws `PermanentError` when it cannot be written. */
export function structuredText(event: OutgoingEvent): string {
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

/** The error of an event that no request can carry. */
export function unwritable(cause: unknown): PermanentError {
  return new PermanentError(`the event cannot be written as a request: ${errorMessage(cause)}`, { cause })
}
