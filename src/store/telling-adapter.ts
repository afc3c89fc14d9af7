import { databaseError, schemaMissing } from './database-error.ts'
import type { Row, Statement } from './statement.ts'
import type { Effect, TransactionAdapter } from './transaction-adapter.ts'

/**
 * An adapter whose errors are ours, whatever the library throws: `databaseError` says what they mean.
 *
 * SQLite has one code for whatever is wrong with a statement. `isThere`, where given, then tells whether it is the outbox
 * that is missing: it returns no row.
 */
export function tellingAdapter<Tx>(adapter: TransactionAdapter<Tx>, isThere?: Statement): TransactionAdapter<Tx> {
  const { dialect } = adapter
  const { executeSync, isIntact } = adapter
  return {
    name: adapter.name,
    dialect,
    check(tx) {
      try {
        adapter.check(tx)
      } catch (error) {
        throw databaseError(dialect, error)
      }
    },
    async execute(tx: Tx, statement: Statement, effect?: Effect): Promise<readonly Row[]> {
      try {
        return await adapter.execute(tx, statement, effect)
      } catch (error) {
        const told = databaseError(dialect, error, statement)
        if (told.code !== 'STORE_FAILED' || isThere === undefined) throw told
        const found = await adapter.execute(tx, isThere, 'reads').catch(() => undefined)
        throw found?.length === 0 ? schemaMissing(error, statement) : told
      }
    },
    ...(executeSync && {
      executeSync(tx: Tx, statement: Statement): readonly Row[] {
        try {
          return executeSync.call(adapter, tx, statement)
        } catch (error) {
          const told = databaseError(dialect, error, statement)
          if (told.code !== 'STORE_FAILED' || isThere === undefined) throw told
          throw isGone(() => executeSync.call(adapter, tx, isThere)) ? schemaMissing(error, statement) : told
        }
      },
    }),
    ...(isIntact && { isIntact: (tx: Tx) => isIntact.call(adapter, tx) }),
  }
}

function isGone(look: () => readonly Row[]): boolean {
  try {
    return look().length === 0
  } catch {
    return false
  }
}
