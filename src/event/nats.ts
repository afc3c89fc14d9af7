import {
  type BinaryBinding,
  type BinaryMessage,
  decodeBinary,
  encodeBinary,
  type HeadersInput,
  headersByName,
} from './binary.ts'
import type { EncodableEvent } from './cloud-event.ts'
import { contentModeOf, HTTP_BINDING } from './http.ts'
import { decodeStructured } from './structured.ts'

/** The content type of an event in structured mode on NATS: the format is always UTF-8. */
export const NATS_STRUCTURED_CONTENT_TYPE = 'application/cloudevents+json'

/**
 * The CloudEvents NATS binding in binary mode: HTTP's escaping, but `datacontenttype` is a `ce-` header like every
 * other attribute. `content-type` says structured mode, and is absent otherwise.
 */
export const NATS_BINDING: BinaryBinding = { ...HTTP_BINDING, contentType: 'ce-datacontenttype' }

/** The event as a NATS message in binary mode: `ce-` headers and the data as the payload. */
export function encodeBinaryNats(event: EncodableEvent): BinaryMessage {
  return encodeBinary(event, NATS_BINDING)
}

/** Reads the event of a NATS message in any mode; without `ce-` headers it is structured. Throws `DECODE_FAILED`. */
export function decodeNats(headers: HeadersInput, payload: string | Uint8Array): EncodableEvent {
  const named = headersByName(headers)
  const structured = contentModeOf(named.get('content-type')) === 'structured' || !named.has('ce-specversion')
  return structured ? decodeStructured(payload) : decodeBinary(named, payload, NATS_BINDING)
}
