import { type Problem, throwProblems } from '../../problem.ts'

/** The tables of one outbox, quoted and qualified for use in SQL text. */
export interface Tables {
  /** The schema as given, quoted; undefined = wherever the search path leads. */
  readonly schema: string | undefined
  readonly events: string
  readonly lanes: string
  readonly workers: string
  readonly breakers: string
  readonly destinations: string
  readonly settings: string
  readonly inbox: string
  readonly migrations: string
  /** A name that starts with the outbox's prefix, quoted but not qualified: for indexes, constraints and triggers. */
  index(suffix: string): string
  /** A name that starts with the outbox's prefix, qualified: for functions. */
  object(suffix: string): string
  /** What `index` names, qualified: for dropping an index, and for sequences. */
  named(suffix: string): string
}

/** PostgreSQL cuts names at 63 bytes; the longest suffix that we append takes 20. */
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,39}$/

/**
 * Tables all tables after the events table: `outbox_events` has `outbox_lanes`, `outbox_workers` and so on beside it.
 * Throws `INVALID_OPTION` for a name that is not a plain identifier of at most 40 characters.
 */
export function tablesOf(table: string, schema: string | undefined): Tables {
  const problems: Problem[] = []
  for (const [field, value] of Object.entries({ table, schema })) {
    if (value === undefined || (typeof value === 'string' && IDENTIFIER.test(value))) continue
    problems.push({
      code: 'INVALID_OPTION',
      field,
      value,
      message: `is ${JSON.stringify(value)}; give at most 40 letters, digits and underscores, not beginning with a digit`,
    })
  }
  throwProblems('postgres()', problems)
  const prefix = table.replace(/_events$/, '')
  const quotedSchema = schema === undefined ? undefined : `"${schema}"`
  const qualified = (name: string): string => (quotedSchema === undefined ? `"${name}"` : `${quotedSchema}."${name}"`)
  return {
    schema: quotedSchema,
    events: qualified(table),
    lanes: qualified(`${prefix}_lanes`),
    workers: qualified(`${prefix}_workers`),
    breakers: qualified(`${prefix}_breakers`),
    destinations: qualified(`${prefix}_destinations`),
    settings: qualified(`${prefix}_settings`),
    inbox: qualified(`${prefix}_inbox`),
    migrations: qualified(`${prefix}_migrations`),
    index: (suffix) => `"${table}_${suffix}"`,
    object: (suffix) => qualified(`${prefix}_${suffix}`),
    named: (suffix) => qualified(`${table}_${suffix}`),
  }
}
