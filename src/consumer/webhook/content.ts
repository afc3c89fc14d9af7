import { isMediaType, isUtf8Type } from '../../event/content-type.ts'
import { type ContentMode, contentModeOf } from '../../event/http.ts'

const EVENT_FORMAT = /^application\/cloudevents(?:-batch)?[ \t]*(?:[+;]|$)/i
const JSON_FORMAT = /^application\/cloudevents(?:-batch)?\+json[ \t]*(?:;|$)/i

/** How a request carries events; undefined when it has none in a format that is read here (CloudEvents in JSON). */
export function carriedMode({ headers }: Request): ContentMode | undefined {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'identity') return undefined
  const type = headers.get('content-type')?.trim() ?? ''
  if (type !== '' && !isMediaType(type)) return undefined
  if (!EVENT_FORMAT.test(type)) return headers.has('ce-specversion') ? 'binary' : undefined
  return JSON_FORMAT.test(type) && isUtf8Type(type) ? contentModeOf(type) : undefined
}
