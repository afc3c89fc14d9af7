import { type Problem, throwProblems } from '../../problem.ts'
import { Sql } from './sql.ts'

/** The tables of one outbox, quoted and qualified for use in SQL text, and the indexes that queries name. */
export interface Tables {
  readonly events: Sql
  readonly lanes: Sql
  readonly workers: Sql
  readonly breakers: Sql
  readonly destinations: Sql
  readonly settings: Sql
  readonly inbox: Sql
  readonly migrations: Sql
  /** The procedure that SQL publishes by. */
  readonly publish: Sql
  /** Indexes of the events table: what is to be done, insertion order, and the identity of events. */
  readonly index: { readonly work: Sql; readonly seq: Sql; readonly identity: Sql }
}

/** MySQL takes names of 64 characters; the longest suffix that we append takes 11. */
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,52}$/

/**
 * Tables all named after the events table: `outbox_events` has `outbox_lanes`, `outbox_workers` and so on beside it.
 * Throws `INVALID_OPTION` for a name that is not a plain identifier of at most 53 characters.
 */
export function tablesOf(table: string, database: string | undefined): Tables {
  const problems: Problem[] = []
  for (const [field, value] of Object.entries({ table, database })) {
    if (value === undefined || (typeof value === 'string' && IDENTIFIER.test(value))) continue
    problems.push({
      code: 'INVALID_OPTION',
      field,
      value,
      message: `is ${JSON.stringify(value)}; give at most 53 letters, digits and underscores, not beginning with a digit`,
    })
  }
  throwProblems('mysql()', problems)
  const prefix = table.replace(/_events$/, '')
  const qualified = (name: string): Sql =>
    new Sql(database === undefined ? `\`${name}\`` : `\`${database}\`.\`${name}\``)
  return {
    events: qualified(table),
    lanes: qualified(`${prefix}_lanes`),
    workers: qualified(`${prefix}_workers`),
    breakers: qualified(`${prefix}_breakers`),
    destinations: qualified(`${prefix}_destinations`),
    settings: qualified(`${prefix}_settings`),
    inbox: qualified(`${prefix}_inbox`),
    migrations: qualified(`${prefix}_migrations`),
    publish: qualified(`${prefix}_publish`),
    index: {
      work: new Sql(`\`${table}_work\``),
      seq: new Sql(`\`${table}_seq\``),
      identity: new Sql(`\`${table}_identity\``),
    },
  }
}
