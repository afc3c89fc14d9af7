import type { Problem } from '../problem.ts'
import { suggestion } from '../suggestion.ts'
import type { SchemaInput, SchemaIssue, SchemaOutput, SchemaResult, StandardSchema } from './standard-schema.ts'

/**
 * The typed events of an application: event types, each with the schema of its data.
 *
 * What a schema gives is what is stored and what handlers get, after one trip through JSON: a schema may fill in
 * defaults and drop unknown keys, but should not turn values into what JSON cannot hold (dates, maps).
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
  return result instanceof Promise
    ? result.then((value) => judge(value, type, data, at))
    : judge(result, type, data, at)
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
