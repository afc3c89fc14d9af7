import { types } from 'node:util'
import { attributeProblems, isContextAttribute, LONGEST_VALUE, MOST_ATTRIBUTES } from '../event/attributes.ts'
import { decodeBase64, isBase64 } from '../event/base64.ts'
import type { AttributeValue } from '../event/cloud-event.ts'
import { bytesProblem, textDataProblem } from '../event/validate-cloud-event.ts'
import { describeError } from '../foundation/describe-error.ts'
import { type Problem, showValue } from '../foundation/problem.ts'
import { suggestion } from '../foundation/suggestion.ts'

/** An event read from the caller's input, whatever its form: checked, except for its data and its backends. */
export interface Draft {
  /** Begins the field names of problems: empty, or `events[3].`. */
  readonly at: string
  /** What the caller calls an attribute, by its CloudEvents name. */
  readonly label: (name: string) => string
  /** The caller's own id. */
  readonly eventId: string | null
  readonly type: string
  readonly source: string
  readonly subject: string
  readonly time: string | null
  readonly dataContentType: string
  readonly dataSchema: string
  readonly partitionKey: string | null
  readonly extensions: Readonly<Record<string, AttributeValue>>
  /** Undefined or null = none. Bytes are a `Uint8Array`. */
  readonly data: unknown
}

/** The members of an event input: CloudEvents' names by ours. */
const MEMBERS: Readonly<Record<string, string>> = {
  type: 'type',
  source: 'source',
  subject: 'subject',
  id: 'id',
  time: 'time',
  datacontenttype: 'dataContentType',
  dataschema: 'dataSchema',
  partitionkey: 'partitionKey',
}
const KNOWN_MEMBERS = [...Object.values(MEMBERS), 'data', 'extensions']

/** What other libraries call them. */
const MEANT: ReadonlyMap<string, string> = new Map(
  Object.entries({
    key: '; the key is `partitionKey`',
    at: '; the due time is `scheduledAt`, an option of publish: the third argument',
    scheduledAt: '; it is an option of publish: the third argument',
    delay: '; it is an option of publish: the third argument',
    payload: '; what the event carries is `data`',
  }),
)

/** The widths of the columns, in characters. */
const WIDTHS: Readonly<Record<string, number>> = {
  id: 255,
  type: 255,
  source: 255,
  subject: 255,
  datacontenttype: 100,
  dataschema: 200,
  partitionkey: 255,
}

/** What is wrong with an attribute that is longer than its column, continuing its name. */
export function widthProblem(name: string, value: unknown): string | undefined {
  const width = WIDTHS[name] ?? Number.POSITIVE_INFINITY
  // Code points, as databases count; the cheap length first, since it is never smaller.
  if (typeof value !== 'string' || value.length <= width) return undefined
  const length = codePoints(value)
  return length <= width ? undefined : `has ${length} characters; at most ${width} fit`
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000

/** Without a list of them, which takes seconds and gigabytes for a text of many megabytes. */
function codePoints(text: string): number {
  let count = text.length
  let before = 0
  for (let at = 0; at < text.length; at++) {
    const here = text.charCodeAt(at)
    if (isLow(here) && isHigh(before)) count--
    before = here
  }
  return count
}

interface Members {
  readonly attributes: Readonly<Record<string, unknown>>
  readonly data: unknown
  /** Whether the id is the caller's own. */
  readonly hasId: boolean
  /** What the caller calls an attribute. */
  readonly label: (name: string) => string
}

/** Reads an event input or a CloudEvent object. Problems are added to the list; with any, the draft is of no use. */
export function readDraft(input: unknown, at: string, problems: Problem[]): Draft | undefined {
  const report = (field: string, value: unknown, message: string): void => {
    problems.push({ code: 'INVALID_EVENT', field: at + field, value, message })
  }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    const cure = Array.isArray(input)
      ? 'publish takes one event: publishMany takes a list'
      : 'give an object with type and source, or a CloudEvent'
    report('event', input, `is ${showValue(input)}; ${cure}`)
    return undefined
  }
  const object = readMembers(input, report)
  if (object === undefined) return undefined
  const members = 'specversion' in object ? fromCloudEvent(object, report) : fromInput(object, report)
  const { attributes, label } = members
  const tooWide = Object.keys(WIDTHS).flatMap((name) => {
    const message = widthProblem(name, attributes[name])
    return message === undefined ? [] : [{ name, message }]
  })
  // Of two limits the one that holds here is told.
  const wide = new Set(
    tooWide.filter(({ name }) => String(attributes[name]).length > LONGEST_VALUE).map(({ name }) => name),
  )
  problems.push(...attributeProblems(attributes, (name) => at + label(name), wide))
  for (const { name, message } of tooWide) report(label(name), attributes[name], message)
  const key = attributes['partitionkey']
  if (key !== undefined && (typeof key !== 'string' || key === '')) {
    report(label('partitionkey'), key, `is ${showValue(key)}; it must be a text, or left out`)
  }
  const data = asBytes(members.data) ?? members.data
  const contentType = attributes['datacontenttype']
  if (typeof contentType === 'string') {
    const bytes = types.isUint8Array(data)
    const message = bytes ? bytesProblem(data, contentType) : textDataProblem(data, contentType)
    if (message !== undefined) report('data', bytes ? undefined : data, message)
  }
  if (types.isUint8Array(data) && isDetached(data)) {
    report('data', undefined, 'is bytes that were transferred away; publish them first, or give a copy')
  }
  return toDraft(at, members, data)
}

/**
 * The own members of an input, each read once: a getter or proxy that throws is reported. The prototype is ignored,
 * except for `specversion`, by which an object of the official class is recognised.
 */
function readMembers(
  input: object,
  report: (field: string, value: unknown, message: string) => void,
): Readonly<Record<string, unknown>> | undefined {
  try {
    return { ...input }
  } catch (error) {
    report('event', undefined, `cannot be read: ${describeError(error)}`)
    return undefined
  }
}

/** A CloudEvent is kept as it is. Own properties only: the official class has methods. */
function fromCloudEvent(
  event: Readonly<Record<string, unknown>>,
  report: (field: string, value: unknown, message: string) => void,
): Members {
  const { data, data_base64: base64, ...given } = event
  const attributes = withoutAbsent(given)
  const label = (name: string): string => name
  if (base64 === undefined || base64 === null) return { attributes, data, hasId: true, label }
  if (typeof base64 !== 'string' || !isBase64(base64)) {
    report('data_base64', base64, `is ${showValue(base64)}, not Base64 (RFC 4648, with padding)`)
    return { attributes, data: undefined, hasId: true, label }
  }
  // An event of the official package holds the bytes twice, once as `data`.
  if (data !== undefined && data !== null && asBytes(data) === undefined) {
    report('data_base64', base64, 'stands beside data; an event has one of them')
  }
  return { attributes, data: decodeBase64(base64), hasId: true, label }
}

function fromInput(
  input: Readonly<Record<string, unknown>>,
  report: (field: string, value: unknown, message: string) => void,
): Members {
  for (const name of Object.keys(input)) {
    if (KNOWN_MEMBERS.includes(name) || input[name] === undefined) continue
    report(
      name,
      input[name],
      `is not a member of an event${MEANT.get(name) ?? suggestion(name, KNOWN_MEMBERS)}; extensions go in \`extensions\``,
    )
  }
  // Without a prototype: an extension named __proto__ is then a name like any other, and refused.
  const attributes: Record<string, unknown> = Object.assign(Object.create(null), { specversion: '1.0' })
  for (const [name, member] of Object.entries(MEMBERS)) {
    const value = input[member]
    // An empty text is how the columns say "none".
    const isNone = value === undefined || (value === '' && (name === 'subject' || name.startsWith('data')))
    if (!isNone) attributes[name] = name === 'time' && isValidDate(value) ? value.toISOString() : value
  }
  // The rules require an id; the row's id is made later.
  const hasId = attributes['id'] !== undefined
  if (!hasId) attributes['id'] = 'none'
  if (input['dataContentType'] === undefined) {
    attributes['datacontenttype'] = asBytes(input['data']) ? 'application/octet-stream' : 'application/json'
  }
  addExtensions(input['extensions'], attributes, report)
  const label = (name: string): string =>
    (Object.hasOwn(MEMBERS, name) ? MEMBERS[name] : undefined) ?? `extensions.${name}`
  return { attributes, data: input['data'], hasId, label }
}

function addExtensions(
  extensions: unknown,
  attributes: Record<string, unknown>,
  report: (field: string, value: unknown, message: string) => void,
): void {
  if (extensions === undefined) return
  if (typeof extensions !== 'object' || extensions === null || Array.isArray(extensions)) {
    report('extensions', extensions, `is ${showValue(extensions)}; give an object of attribute names and values`)
    return
  }
  const own = readMembers(extensions, report)
  const count = Object.keys(own ?? {}).length
  if (count > MOST_ATTRIBUTES) {
    report('extensions', count, `are ${count}; an event has at most ${MOST_ATTRIBUTES} attributes`)
    return
  }
  for (const [name, value] of Object.entries(withoutAbsent(own ?? {}))) {
    if (isContextAttribute(name)) {
      const cure = MEMBERS[name] ?? (name.startsWith('data') ? 'data' : undefined)
      const hint = cure ? `; give it as \`${cure}\` of the event` : ''
      report(`extensions.${name}`, value, `is not an extension but part of every CloudEvent${hint}`)
    } else if (name === 'partitionkey' && attributes[name] !== undefined && attributes[name] !== value) {
      report('extensions.partitionkey', value, 'differs from partitionKey; give one of them')
    } else attributes[name] = value
  }
}

function toDraft(at: string, { attributes, hasId, label }: Members, data: unknown): Draft {
  const { specversion: _, id, type, source, subject, time, datacontenttype, dataschema, ...rest } = attributes
  const { partitionkey, ...extensions } = rest
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    at,
    label,
    eventId: hasId ? text(id) : null,
    type: text(type),
    source: text(source),
    subject: text(subject),
    time: typeof time === 'string' ? time : null,
    dataContentType: text(datacontenttype),
    dataSchema: text(dataschema),
    partitionKey: typeof partitionkey === 'string' ? partitionkey : null,
    extensions: extensions as Record<string, AttributeValue>,
    data,
  }
}

function withoutAbsent(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined && value !== null))
}

function isDetached({ buffer }: Uint8Array): boolean {
  return types.isArrayBuffer(buffer) && buffer.detached
}

/** By its inner state: a proxy may throw when it is asked what it is. */
function isValidDate(value: unknown): value is Date {
  return types.isDate(value) && !Number.isNaN(value.getTime())
}

/** Bytes of any view or buffer; undefined for anything else. */
function asBytes(data: unknown): Uint8Array | undefined {
  if (types.isUint8Array(data)) return data
  if (types.isArrayBuffer(data) && !data.detached) return new Uint8Array(data)
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : undefined
}
