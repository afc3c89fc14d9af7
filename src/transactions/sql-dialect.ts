import { oneOf, required } from '../foundation/option-kinds.ts'
import { readOptions } from '../foundation/option-table.ts'
import { type Dialect, joinStatement, numberedText, type Statement } from '../store/statement.ts'

/** The databases that a library of several dialects may speak to. */
export type SqlDialect = Exclude<Dialect, 'memory'>

/** Which database a library's transactions are on. */
export interface DialectOption<Spoken extends SqlDialect = SqlDialect> {
  /** The same as the store's; MariaDB is `mysql`, PGlite is `postgres`. Required. */
  readonly dialect: Spoken
}

const TABLE = { dialect: required(oneOf(undefined, 'postgres', 'mysql', 'sqlite')) }

/** Checks the option of `owner`; throws `INVALID_OPTION`. */
export function dialectOf<Spoken extends SqlDialect>(owner: string, options: DialectOption<Spoken>): Spoken {
  return readOptions(`${owner}()`, TABLE, options ?? {}).dialect as Spoken
}

/** Joins a statement with the placeholders that the dialect's drivers take. */
export function joinFor(dialect: SqlDialect, statement: Statement): string {
  return dialect === 'postgres' ? numberedText(statement) : joinStatement(statement, () => '?')
}
