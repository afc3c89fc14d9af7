import type { Row } from '../store/statement.ts'
import { isObject } from './refusal.ts'
import type { SqlDialect } from './sql-dialect.ts'

/**
 * The rows in a driver's answer, which Drizzle and Knex pass through: pg and PGlite give an object, postgres.js and
 * better-sqlite3 the rows, mysql2 a pair of rows and fields. For a statement without rows, as every INSERT of MySQL,
 * mysql2's pair is the outcome and nothing.
 */
export function rowsOf(dialect: SqlDialect, result: unknown): readonly Row[] {
  if (!Array.isArray(result)) return isObject(result) && Array.isArray(result['rows']) ? result['rows'] : []
  if (dialect !== 'mysql') return result
  return Array.isArray(result[0]) ? result[0] : []
}

/** The outcome of a statement without rows, which mysql2 puts into a pair. */
export function unpaired(result: unknown): unknown {
  return Array.isArray(result) ? result[0] : result
}
