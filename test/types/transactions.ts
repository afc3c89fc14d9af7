/**
 * Compiled, never run: which client libraries' types fit the transaction adapters. A line after `@ts-expect-error`
 * must not compile.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { PGlite, Transaction } from '@electric-sql/pglite'
import type {
  Connection as CallbackConnection,
  Pool as CallbackPool,
  PoolConnection as CallbackPoolConnection,
} from 'mysql2'
import type {
  Connection as MysqlConnection,
  Pool as MysqlPool,
  PoolConnection as MysqlPoolConnection,
} from 'mysql2/promise'
import type { Client, Pool, PoolClient } from 'pg'
import type { Mysql2Pool } from '../../src/store/mysql/mysql2-client.ts'
import type { Mysql2Transaction } from '../../src/store/mysql/mysql2-transaction.ts'
import type { PgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import type { PgliteTransaction } from '../../src/store/postgres/pglite.ts'
import type { BetterSqlite3Transaction, NodeSqliteTransaction } from '../../src/store/sqlite/sync-transaction.ts'

declare const poolClient: PoolClient
declare const client: Client
declare const pool: Pool
declare const pgliteTransaction: Transaction
declare const pglite: PGlite
declare const database: DatabaseSync

export const fits: readonly [PgTransaction, PgTransaction, PgliteTransaction, NodeSqliteTransaction] = [
  poolClient,
  client,
  pgliteTransaction,
  database,
]

// @ts-expect-error a pool is no transaction
export const refusedPool: PgTransaction = pool
// @ts-expect-error neither is the PGlite instance
export const refusedPglite: PgliteTransaction = pglite
// @ts-expect-error nor a client of another library
export const refusedClient: PgliteTransaction = client
// @ts-expect-error node:sqlite and better-sqlite3 tell of a transaction under different names
export const refusedDatabase: BetterSqlite3Transaction = database

declare const mysqlConnection: MysqlConnection
declare const mysqlPoolConnection: MysqlPoolConnection
declare const mysqlPool: MysqlPool
declare const callbackConnection: CallbackConnection
declare const callbackPoolConnection: CallbackPoolConnection
declare const callbackPool: CallbackPool

export const mysqlFits: readonly Mysql2Transaction[] = [
  mysqlConnection,
  mysqlPoolConnection,
  callbackPoolConnection.promise(),
]
export const mysqlPools: readonly Mysql2Pool[] = [mysqlPool, callbackPool.promise()]

// @ts-expect-error a pool is no transaction
export const refusedMysqlPool: Mysql2Transaction = mysqlPool
// @ts-expect-error a connection that calls back would never be awaited
export const refusedCallback: Mysql2Transaction = callbackConnection
// @ts-expect-error nor a pool that does
export const refusedCallbackPool: Mysql2Pool = callbackPool
// @ts-expect-error a connection is no pool
export const refusedAsPool: Mysql2Pool = mysqlConnection
