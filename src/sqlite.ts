// The store of SQLite, and the transaction adapters of its drivers.

export { type LibsqlTransaction, libsqlTransaction } from './store/sqlite/libsql-transaction.ts'
export type { InjectedDatabase, SqliteOptions } from './store/sqlite/options.ts'
export { sqlite } from './store/sqlite/sqlite.ts'
export type { SqliteTransaction } from './store/sqlite/sqlite-transaction.ts'
export type { SyncTransactionAdapter } from './store/sqlite/sync-transaction.ts'
export {
  type BetterSqlite3Transaction,
  betterSqlite3Transaction,
  type NodeSqliteTransaction,
  type NodeSqliteValue,
  nodeSqliteTransaction,
} from './store/sqlite/sync-transaction.ts'
