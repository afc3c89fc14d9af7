import { prefixOf, requireNames, type TableNames, tableNames } from '../table-names.ts'

/** The tables of one outbox, quoted and qualified for use in SQL text. */
export interface Tables extends TableNames<string> {
  /** The schema as given, quoted; undefined = wherever the search path leads. */
  readonly schema: string | undefined
  /** Where the ids of a partitioned events table are cut: empty while it is none. */
  readonly partitions: string
  /** Of a partitioned events table, which event has which source, id and backend: no index over all partitions can say it. */
  readonly identities: string
  /** A name that starts with the outbox's prefix, quoted but not qualified: for indexes, constraints and triggers. */
  index(suffix: string): string
  /** A name that starts with the outbox's prefix, qualified: for functions. */
  object(suffix: string): string
  /** What `index` names, qualified: for dropping an index, and for sequences. */
  named(suffix: string): string
}

/** PostgreSQL cuts names at 63 bytes; the longest suffix that we append takes 20. */
const LONGEST = 40

/** Throws `INVALID_OPTION` for a name that is not a plain identifier of at most 40 characters. */
export function tablesOf(table: string, schema: string | undefined): Tables {
  requireNames('postgres()', LONGEST, { table, schema })
  const quotedSchema = schema === undefined ? undefined : `"${schema}"`
  const qualified = (name: string): string => (quotedSchema === undefined ? `"${name}"` : `${quotedSchema}."${name}"`)
  return {
    schema: quotedSchema,
    ...tableNames(table, qualified),
    partitions: qualified(`${prefixOf(table)}_partitions`),
    identities: qualified(`${prefixOf(table)}_identities`),
    index: (suffix) => `"${table}_${suffix}"`,
    object: (suffix) => qualified(`${prefixOf(table)}_${suffix}`),
    named: (suffix) => qualified(`${table}_${suffix}`),
  }
}
