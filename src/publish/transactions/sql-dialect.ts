import { resolveOptions } from '../../options.ts'
import { type Dialect, joinStatement, type Statement } from '../../store/statement.ts'

/** The databases that a library of several dialects may speak to. */
export type SqlDialect = Exclude<Dialect, 'memory'>

/** Which database the transactions of a library are of. */
export interface DialectOption<Spoken extends SqlDialect = SqlDialect> {
  /** The same as the store's; MariaDB is `mysql`, PGlite is `postgres`. Required. */
  readonly dialect: Spoken
}

const DIALECTS: readonly SqlDialect[] = ['postgres', 'mysql', 'sqlite']

/** Checks the option of `owner`; throws `INVALID_OPTION`. */
export function dialectOf<Spoken extends SqlDialect>(owner: string, options: DialectOption<Spoken>): Spoken {
  // Null where it is missing: an option that is not given at all would pass as "use the default", and there is none.
  const given = { ...options, dialect: options?.dialect ?? null }
  resolveOptions(owner, given, { dialect: null }, { dialect: { oneOf: DIALECTS } })
  return options.dialect
}

/** Joins a statement with the placeholders that the dialect's drivers take. */
export function joinFor(dialect: SqlDialect, statement: Statement): string {
  return joinStatement(statement, (n) => (dialect === 'postgres' ? `$${n}` : '?'))
}
