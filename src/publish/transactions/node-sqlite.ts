import { BroadcasterError } from '../../errors.ts'
import { joinStatement, type Row, type Statement } from '../../store/statement.ts'
import type { TransactionAdapter } from '../../store/transaction-adapter.ts'
import { StatementCache } from './statement-cache.ts'

/** A value that `node:sqlite` binds. */
export type NodeSqliteValue = null | number | bigint | string | NodeJS.ArrayBufferView

interface NodeSqliteStatement {
  all(...values: NodeSqliteValue[]): unknown[]
}

/** What we need of a `DatabaseSync` of `node:sqlite` on which `BEGIN` was run. */
export interface NodeSqliteTransaction {
  /** Node >= 22.16. */
  readonly isTransaction: boolean
  prepare(text: string): NodeSqliteStatement
}

/**
 * The transaction adapter of `node:sqlite`; synchronous too. A connection has one transaction at a time, so the
 * database object stands for it: code that awaits between `BEGIN` and `COMMIT` must not share the connection with
 * other work. Throws `NOT_A_TRANSACTION` or `TRANSACTION_ENDED` when none is open.
 *
 * @example
 * db.exec('BEGIN IMMEDIATE')
 * broadcaster.publishSync(db, { type: 'order.created', source: '/orders', data })
 * db.exec('COMMIT')
 */
export function nodeSqliteTransaction(): TransactionAdapter<NodeSqliteTransaction> & {
  executeSync(tx: NodeSqliteTransaction, statement: Statement): readonly Row[]
} {
  const seen = new WeakSet<NodeSqliteTransaction>()
  const statements = new StatementCache((tx: NodeSqliteTransaction, text: string) => tx.prepare(text))

  const executeSync = (tx: NodeSqliteTransaction, statement: Statement): readonly Row[] => {
    const text = joinStatement(statement, () => '?')
    const values = statement.values as NodeSqliteValue[]
    try {
      return statements.get(tx, text).all(...values) as Row[]
    } catch (error) {
      // Closing a database finalises its statements: one that was opened again needs new ones.
      if (!isInvalidState(error)) throw error
      statements.forget(tx)
      return statements.get(tx, text).all(...values) as Row[]
    }
  }

  return {
    name: 'node:sqlite',
    dialect: 'sqlite',
    check(tx: NodeSqliteTransaction): void {
      if (typeof tx !== 'object' || tx === null || typeof tx.isTransaction !== 'boolean') {
        throw new BroadcasterError(
          'NOT_A_TRANSACTION',
          'tx is not a DatabaseSync of node:sqlite; pass the database on which you ran BEGIN',
          { field: 'tx' },
        )
      }
      if (tx.isTransaction) {
        seen.add(tx)
        return
      }
      throw seen.has(tx)
        ? new BroadcasterError(
            'TRANSACTION_ENDED',
            'tx is a SQLite database whose transaction has ended; publish before COMMIT or ROLLBACK',
            { field: 'tx' },
          )
        : new BroadcasterError(
            'NOT_A_TRANSACTION',
            "tx is a SQLite database without an open transaction; run db.exec('BEGIN IMMEDIATE') first",
            { field: 'tx' },
          )
    },
    async execute(tx: NodeSqliteTransaction, statement: Statement): Promise<readonly Row[]> {
      return executeSync(tx, statement)
    },
    executeSync,
  }
}

function isInvalidState(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_STATE'
}
