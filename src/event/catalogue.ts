import type { Problem } from '../foundation/problem.ts'
import { suggestion } from '../foundation/suggestion.ts'
import { parseJson, stringifyJson } from './json.ts'
import { lostInJson } from './json-loss.ts'
import type { SchemaInput, SchemaIssue, SchemaOutput, SchemaResult, StandardSchema } from './standard-schema.ts'

/**
 * The typed events of an application: event types, each with the schema of its data.
 *
 * The output of a schema is what is stored and, after a trip through JSON, what handlers get: a schema may fill in
 * defaults and drop unknown keys. Output that the schema would not accept again from JSON is refused at publish: for a
 * date write `z.coerce.date()` or `z.iso.datetime()`, not `z.date()`.
 *
 * @example { 'order.created': z.object({ id: z.string(), total: z.number() }) }
 */
export type Catalogue = Readonly<Record<string, StandardSchema>>

/** No typed events: any type, any data. */
export type NoCatalogue = Record<never, never>

/** Whether events that the catalogue does not list are accepted. */
export type UnlistedEvents = 'refuse' | 'allow'

/** The event types that may be published. */
export type EventType<Events, Unlisted extends UnlistedEvents = 'refuse'> = [keyof Events] extends [never]
  ? string
  : (keyof Events & string) | (Unlisted extends 'allow' ? string & Record<never, never> : never)

/** The data that `publish` takes for an event type. */
export type DataInput<Events, Type> = Type extends keyof Events
  ? Events[Type] extends StandardSchema
    ? SchemaInput<Events[Type]>
    : unknown
  : unknown

/** The data that handlers get for an event type. */
export type DataOutput<Events, Type> = Type extends keyof Events
  ? Events[Type] extends StandardSchema
    ? SchemaOutput<Events[Type]>
    : unknown
  : unknown

/** Data as its schema gave it, or what is wrong with it. */
export interface CheckedData {
  readonly data: unknown
  readonly problems: readonly Problem[]
}

/**
 * Checks the data of an event against its schema; a promise only when the schema is asynchronous. `at` begins the
 * field names of problems, such as `events[3].`.
 */
export function checkData(
  catalogue: Catalogue | undefined,
  unlisted: UnlistedEvents,
  type: string,
  data: unknown,
  at: string,
): CheckedData | Promise<CheckedData> {
  const schema = catalogue && Object.hasOwn(catalogue, type) ? catalogue[type] : undefined
  if (schema === undefined) {
    if (catalogue === undefined || unlisted === 'allow') return { data, problems: [] }
    const known = Object.keys(catalogue)
    const cure = suggestion(type, known) || "; list it in `events`, or set `unlistedEvents: 'allow'`"
    const message = `is "${type}", which is not among the events of the catalogue${cure}`
    return { data, problems: [{ code: 'UNKNOWN_EVENT_TYPE', field: `${at}type`, value: type, message }] }
  }
  const result = schema['~standard'].validate(data)
  return isPromiseLike(result)
    ? Promise.resolve(result).then((value) => judge(value, type, data, at))
    : judge(result, type, data, at)
}

/**
 * `checkData` for what is to be stored: the output of the schema is written as JSON and must pass the same schema when
 * it is read. Otherwise only the consumer would notice a `z.date()` or a transform to another type, and could do
 * nothing but give the event up.
 */
export function checkStored(...given: Parameters<typeof checkData>): CheckedData | Promise<CheckedData> {
  const checked = checkData(...given)
  return checked instanceof Promise ? checked.then((first) => readAgain(first, given)) : readAgain(checked, given)
}

function readAgain(
  first: CheckedData,
  [catalogue, unlisted, type, , at]: Parameters<typeof checkData>,
): CheckedData | Promise<CheckedData> {
  const { data } = first
  // Bytes and texts travel as they are; what JSON cannot hold is refused where it is written.
  if (first.problems.length > 0 || !catalogue || !Object.hasOwn(catalogue, type) || data === undefined) return first
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data)) return first
  let read: unknown
  try {
    const text = stringifyJson(data)
    // Refused where it is written, with the name of the place.
    if (lostInJson(data, text)) return first
    read = parseJson(text)
  } catch {
    return first
  }
  const settle = ({ problems }: CheckedData): CheckedData => ({
    data,
    problems: problems.map((problem) => ({ ...problem, message: `${problem.message} ${UNREADABLE}` })),
  })
  const again = checkData(catalogue, unlisted, type, read, at)
  return again instanceof Promise ? again.then(settle) : settle(again)
}

const UNREADABLE =
  'when it is read back from JSON; use a schema that takes what it gives, such as z.coerce.date() or z.iso.datetime() for a date'

/**
 * Also a promise of another realm, as in Jest, which is no `Promise` here and would be taken for a result without data.
 */
function isPromiseLike<T extends object>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return 'then' in value && typeof value.then === 'function'
}

function judge(result: SchemaResult<unknown>, type: string, data: unknown, at: string): CheckedData {
  if (result.issues === undefined) return { data: result.value, problems: [] }
  const problems = result.issues.map((issue): Problem => {
    const message = `is refused by the schema of ${type}: ${issue.message}`
    return { code: 'INVALID_DATA', field: `${at}data${pathOf(issue)}`, value: data, message }
  })
  return { data, problems }
}

function pathOf(issue: SchemaIssue): string {
  return (issue.path ?? [])
    .map((part) => (typeof part === 'object' ? part.key : part))
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
}
