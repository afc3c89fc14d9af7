import { BroadcasterError } from '../../errors.ts'
import { joinStatement, type Row, type Statement } from '../../store/statement.ts'
import type { TransactionAdapter } from '../../store/transaction-adapter.ts'
import { StatementCache } from './statement-cache.ts'

interface BetterSqlite3Statement {
  /** Whether the statement returns rows; `all` throws for one that does not. */
  readonly reader: boolean
  all(...values: unknown[]): unknown[]
  run(...values: unknown[]): unknown
}

/** What we need of a `Database` of better-sqlite3 (and of libraries of its shape) inside `db.transaction(...)`. */
export interface BetterSqlite3Transaction {
  readonly inTransaction: boolean
  prepare(text: string): BetterSqlite3Statement
}

/**
 * The transaction adapter of better-sqlite3; synchronous too. A connection has one transaction at a time, so the
 * database object stands for it. Throws `NOT_A_TRANSACTION` or `TRANSACTION_ENDED` when none is open.
 *
 * @example
 * db.transaction(() => {
 *   broadcaster.publishSync(db, { type: 'order.created', source: '/orders', data })
 * })()
 */
export function betterSqlite3Transaction(): TransactionAdapter<BetterSqlite3Transaction> & {
  executeSync(tx: BetterSqlite3Transaction, statement: Statement): readonly Row[]
} {
  const seen = new WeakSet<BetterSqlite3Transaction>()
  const statements = new StatementCache((tx: BetterSqlite3Transaction, text: string) => tx.prepare(text))

  const executeSync = (tx: BetterSqlite3Transaction, statement: Statement): readonly Row[] => {
    const prepared = statements.get(
      tx,
      joinStatement(statement, () => '?'),
    )
    if (prepared.reader) return prepared.all(...statement.values) as Row[]
    prepared.run(...statement.values)
    return []
  }

  return {
    name: 'better-sqlite3',
    dialect: 'sqlite',
    check(tx: BetterSqlite3Transaction): void {
      if (typeof tx !== 'object' || tx === null || typeof tx.inTransaction !== 'boolean') {
        throw new BroadcasterError(
          'NOT_A_TRANSACTION',
          'tx is not a better-sqlite3 database; pass the database inside db.transaction(...)',
          { field: 'tx' },
        )
      }
      if (tx.inTransaction) {
        seen.add(tx)
        return
      }
      throw seen.has(tx)
        ? new BroadcasterError(
            'TRANSACTION_ENDED',
            'tx is a SQLite database whose transaction has ended; publish inside db.transaction(...)',
            { field: 'tx' },
          )
        : new BroadcasterError(
            'NOT_A_TRANSACTION',
            'tx is a SQLite database without an open transaction; publish inside db.transaction(...)',
            { field: 'tx' },
          )
    },
    async execute(tx: BetterSqlite3Transaction, statement: Statement): Promise<readonly Row[]> {
      return executeSync(tx, statement)
    },
    executeSync,
  }
}
