import { BroadcasterError } from '../../errors.ts'
import { schemaMissing } from '../database-error.ts'
import type { Program } from '../program.ts'
import type { Row, Statement } from '../statement.ts'

/**
 * Runs one of our statements. SQLite has one code for everything that is wrong with a statement, so after that the
 * table is looked for, `table` as it is in `Tables`. Throws `SCHEMA_MISSING` where it is missing.
 */
export function* askTable(table: string, statement: Statement): Program<readonly Row[]> {
  try {
    return yield statement
  } catch (error) {
    if (!(error instanceof BroadcasterError) || error.code !== 'STORE_FAILED') throw error
    throw (yield* isGone(table)) ? schemaMissing(error.cause, statement) : error
  }
}

function* isGone(table: string): Program<boolean> {
  try {
    const found = yield {
      strings: ["SELECT 1 AS there FROM sqlite_master WHERE type = 'table' AND name = ", ''],
      values: [table.replaceAll('"', '')],
      effect: 'reads',
    }
    return found.length === 0
  } catch {
    return false
  }
}
