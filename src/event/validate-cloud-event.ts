import { type Problem, showValue, throwProblems } from '../foundation/problem.ts'
import { attributeProblems } from './attributes.ts'
import { isBase64 } from './base64.ts'
import type { CloudEvent } from './cloud-event.ts'
import { isJsonType, isTextType, isUtf8Type } from './content-type.ts'
import { parseJson } from './json.ts'

/**
 * Checks a value against CloudEvents 1.0 in its JSON shape. Throws one `INVALID_EVENT` that lists everything that is
 * wrong: each attribute, its value and the cure.
 */
export function validateCloudEvent(event: unknown): asserts event is CloudEvent {
  throwProblems('the CloudEvent', cloudEventProblems(event))
}

/** All that is wrong with a CloudEvent in its JSON shape; empty = valid. */
export function cloudEventProblems(event: unknown): readonly Problem[] {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) {
    const message = `is ${showValue(event)}; a CloudEvent is an object`
    return [{ code: 'INVALID_EVENT', field: 'event', value: event, message }]
  }
  const { data, data_base64: base64, ...attributes } = event as Record<string, unknown>
  const problems = attributeProblems(attributes)
  if (base64 !== undefined && base64 !== null) {
    if (data !== undefined && data !== null) {
      const message = 'stands beside data; an event has one of them'
      problems.push({ code: 'INVALID_EVENT', field: 'data_base64', value: base64, message })
    } else if (typeof base64 !== 'string' || !isBase64(base64)) {
      const message = `is ${showValue(base64)}, not Base64 (RFC 4648, with padding)`
      problems.push({ code: 'INVALID_EVENT', field: 'data_base64', value: base64, message })
    }
  }
  const type = attributes['datacontenttype']
  const message = typeof type === 'string' ? textDataProblem(data, type) : undefined
  if (message !== undefined) problems.push({ code: 'INVALID_EVENT', field: 'data', value: data, message })
  return problems
}

/** Why bytes do not fit a content type, if so: what is said to be JSON, or text in UTF-8, must be that. */
export function bytesProblem(bytes: Uint8Array, contentType: string): string | undefined {
  const json = isJsonType(contentType)
  if (!json && !(isTextType(contentType) && isUtf8Type(contentType))) return undefined
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    if (json) parseJson(text)
    return undefined
  } catch {
    const what = json ? 'JSON' : 'text in UTF-8'
    return `is bytes that are not ${what}, but ${showValue(contentType)} says so; give another dataContentType, such as "application/octet-stream"`
  }
}

/** Why data does not fit a content type, if so: content that is not JSON is a text, or bytes. */
export function textDataProblem(data: unknown, contentType: string): string | undefined {
  if (data === undefined || data === null) return undefined
  if (isJsonType(contentType)) return undefined
  if (typeof data !== 'string') {
    return `is ${showValue(data)}, but ${showValue(contentType)} is not JSON; give the text or the bytes themselves`
  }
  if (isUtf8Type(contentType)) return undefined
  return `is a text, which is sent as UTF-8, but ${showValue(contentType)} says otherwise; give the encoded bytes`
}
