import { BroadcasterError } from '../../errors.ts'
import { describe, isObject, notATransaction } from '../../transactions/refusal.ts'
import { joinStatement, type Row, type Statement } from '../statement.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'
import { StatementCache } from './statement-cache.ts'

/** An adapter that can also run synchronously. */
export interface SyncTransactionAdapter<Tx> extends TransactionAdapter<Tx> {
  executeSync(tx: Tx, statement: Statement): readonly Row[]
}

/** Where the adapters of synchronous SQLite libraries differ. */
interface SyncLibrary<Tx> {
  readonly name: string
  /** Whether a transaction is open; undefined = this is not a database of the library. */
  readonly isOpen: (tx: Tx) => unknown
  /** How to begin one, for a message. */
  readonly begin: string
  readonly executeSync: (tx: Tx, statement: Statement) => readonly Row[]
}

/** The adapter of a library whose database object stands for its only transaction. */
export function syncTransaction<Tx extends object>(library: SyncLibrary<Tx>): SyncTransactionAdapter<Tx> {
  const { name, isOpen, begin, executeSync } = library
  /** Databases seen inside a transaction: when one is outside, that has ended. */
  const seen = new WeakSet<Tx>()
  return {
    name,
    dialect: 'sqlite',
    check(tx: Tx): void {
      const open = isObject(tx) ? isOpen(tx) : undefined
      if (typeof open !== 'boolean') throw notATransaction(describe(tx), `pass a database of ${name}; ${begin}`)
      if (!open && !seen.has(tx)) throw notATransaction('a SQLite database without one', begin)
      if (!open) {
        const message = 'tx is a SQLite database whose transaction has ended; publish before COMMIT or ROLLBACK'
        throw new BroadcasterError('TRANSACTION_ENDED', message, { field: 'tx' })
      }
      seen.add(tx)
    },
    async execute(tx: Tx, statement: Statement): Promise<readonly Row[]> {
      return executeSync(tx, statement)
    },
    executeSync,
  }
}

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
 * The transaction adapter of `node:sqlite`, which also runs synchronously. A connection has one transaction at a time,
 * so the database object stands for it: code that awaits between `BEGIN` and `COMMIT` must not share the connection
 * with other work. Throws `NOT_A_TRANSACTION` or `TRANSACTION_ENDED` when none is open.
 *
 * @example
 * db.exec('BEGIN IMMEDIATE')
 * broadcaster.publishSync(db, { type: 'order.created', source: '/orders', data })
 * db.exec('COMMIT')
 */
export function nodeSqliteTransaction(): SyncTransactionAdapter<NodeSqliteTransaction> {
  const statements = new StatementCache((tx: NodeSqliteTransaction, text: string) => tx.prepare(text))
  return syncTransaction({
    name: 'node:sqlite',
    isOpen: (tx) => tx.isTransaction,
    begin: "run db.exec('BEGIN IMMEDIATE') first",
    executeSync(tx, statement) {
      const text = joinStatement(statement, () => '?')
      const values = statement.values as NodeSqliteValue[]
      try {
        return statements.get(tx, text).all(...values) as Row[]
      } catch (error) {
        // Closing a database finalises its statements: after it is opened again new ones are needed.
        if (!isInvalidState(error)) throw error
        statements.forget(tx)
        return statements.get(tx, text).all(...values) as Row[]
      }
    },
  })
}

function isInvalidState(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_STATE'
}

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
 * The transaction adapter of better-sqlite3, which also runs synchronously. A connection has one transaction at a time,
 * so the database object stands for it. Throws `NOT_A_TRANSACTION` or `TRANSACTION_ENDED` when none is open.
 *
 * @example
 * db.transaction(() => {
 *   broadcaster.publishSync(db, { type: 'order.created', source: '/orders', data })
 * })()
 */
export function betterSqlite3Transaction(): SyncTransactionAdapter<BetterSqlite3Transaction> {
  const statements = new StatementCache((tx: BetterSqlite3Transaction, text: string) => tx.prepare(text))
  return syncTransaction({
    name: 'better-sqlite3',
    isOpen: (tx) => tx.inTransaction,
    begin: 'publish inside db.transaction(...)',
    executeSync(tx, statement) {
      const text = joinStatement(statement, () => '?')
      const prepared = statements.get(tx, text)
      if (prepared.reader) return prepared.all(...statement.values) as Row[]
      prepared.run(...statement.values)
      return []
    },
  })
}
