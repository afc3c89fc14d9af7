import { type BinaryBinding, decodeBinary, encodeBinary, type HeadersInput, headersByName } from './binary.ts'
import type { EncodableEvent } from './cloud-event.ts'
import { contentModeOf } from './http.ts'
import { decodeStructured, encodeStructured, STRUCTURED_CONTENT_TYPE } from './structured.ts'

/** An event as a Kafka record. Header values and text are to be written as UTF-8; value null = an empty one. */
export interface KafkaRecord {
  /** The partition key; null without one. */
  readonly key: string | null
  /** The attributes, by the names of the headers. */
  readonly headers: Readonly<Record<string, string>>
  /** The data, or the whole event as JSON; null without data. */
  readonly value: string | Uint8Array | null
}

/** The CloudEvents Kafka binding in binary mode: `ce_` headers in UTF-8, without any escaping. */
export const KAFKA_BINDING: BinaryBinding = {
  prefix: 'ce_',
  contentType: 'content-type',
  encodeValue: (text) => text,
  decodeValue: (value) => value,
}

/** The event as a record in binary mode: `ce_` headers and the data as the value (Kafka binding, section 3.2). */
export function encodeBinaryKafka(event: EncodableEvent): KafkaRecord {
  const { headers, body } = encodeBinary(event, KAFKA_BINDING)
  return { key: keyOf(event), headers, value: body }
}

/** The event as a record in structured mode (Kafka binding, section 3.3). */
export function encodeStructuredKafka(event: EncodableEvent): KafkaRecord {
  return { key: keyOf(event), headers: { 'content-type': STRUCTURED_CONTENT_TYPE }, value: encodeStructured(event) }
}

/**
 * Reads the event of a record in whichever mode it has; one without `ce_` headers and without a content type is
 * structured. The key is not read: it is in the event as `partitionkey`. Throws `DECODE_FAILED`.
 */
export function decodeKafka(headers: HeadersInput, value: string | Uint8Array | null | undefined): EncodableEvent {
  const named = headersByName(headers)
  const structured = contentModeOf(named.get('content-type')) === 'structured' || !named.has('ce_specversion')
  return structured ? decodeStructured(value ?? '') : decodeBinary(named, value, KAFKA_BINDING)
}

/** Kafka binding, section 3.1, with the partitioning extension. */
function keyOf({ attributes }: EncodableEvent): string | null {
  const key = attributes['partitionkey']
  return key === undefined ? null : String(key)
}
