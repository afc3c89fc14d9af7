import { createClient } from '@libsql/client'
import Database from 'better-sqlite3'
import { sql } from 'drizzle-orm'
import { drizzle as onBetterSqlite3 } from 'drizzle-orm/better-sqlite3'
import { drizzle as onLibsql } from 'drizzle-orm/libsql'
import type { MySqlDatabase } from 'drizzle-orm/mysql-core'
import { type MySql2PreparedQueryHKT, type MySql2QueryResultHKT, drizzle as onMysql2 } from 'drizzle-orm/mysql2'
import { drizzle as onPg } from 'drizzle-orm/node-postgres'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { drizzle as onPglite } from 'drizzle-orm/pglite'
import { drizzle as onPostgresJs } from 'drizzle-orm/postgres-js'
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core'
import { createPool } from 'mysql2/promise'
import pg from 'pg'
import connect from 'postgres'
import { drizzleTransaction } from '../../../../src/transactions/drizzle.ts'
import { type Cell, type OpenCell, type Scope, walk, walkSync } from '../cell.ts'

function postgresCell(db: PgDatabase<PgQueryResultHKT>, close: () => Promise<void>): Cell {
  const scopeOf = (tx: PgDatabase<PgQueryResultHKT>): Scope => ({
    tx,
    exec: (text) => tx.execute(sql.raw(text)),
    nest: (work) => tx.transaction((inner) => walk(work(scopeOf(inner)))),
  })
  return {
    adapter: drizzleTransaction({ dialect: 'postgres' }),
    refused: { 'the database': db },
    transact: (work) => db.transaction((tx) => walk(work(scopeOf(tx)))),
    close,
  }
}

export const nodePostgres: OpenCell = async ({ url }) => {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  return postgresCell(onPg(pool), () => pool.end())
}

export const postgresJs: OpenCell = async ({ url }) => {
  const client = connect(url, { max: 2, onnotice: () => {} })
  return postgresCell(onPostgresJs(client), () => client.end())
}

export const pglite: OpenCell = async ({ pglite: client }) => {
  if (!client) throw new Error('no PGlite')
  return postgresCell(onPglite(client), async () => {})
}

type Mysql = MySqlDatabase<MySql2QueryResultHKT, MySql2PreparedQueryHKT>

export const mysql2: OpenCell = async ({ url }) => {
  const pool = createPool({ uri: url, connectionLimit: 2 })
  const db = onMysql2(pool)
  const scopeOf = (tx: Mysql): Scope => ({
    tx,
    exec: (text) => tx.execute(sql.raw(text)),
    nest: (work) => tx.transaction((inner) => walk(work(scopeOf(inner)))),
  })
  return {
    adapter: drizzleTransaction({ dialect: 'mysql' }),
    refused: { 'the database': db, 'the client': pool },
    transact: (work) => db.transaction((tx) => walk(work(scopeOf(tx)))),
    close: () => pool.end(),
  }
}

export const betterSqlite3: OpenCell = async ({ path }) => {
  const client = new Database(path)
  const db = onBetterSqlite3(client)
  const scopeOf = (tx: BaseSQLiteDatabase<'sync', unknown>): Scope => ({
    tx,
    exec: (text) => tx.run(sql.raw(text)),
    nest: (work) => tx.transaction((inner) => walkSync(work(scopeOf(inner)))),
  })
  return {
    adapter: drizzleTransaction({ dialect: 'sqlite' }),
    sync: true,
    refused: { 'the database': db, 'the client': client },
    transact: (work) => db.transaction((tx) => walkSync(work(scopeOf(tx))), { behavior: 'immediate' }),
    close: () => client.close(),
  }
}

export const libsql: OpenCell = async ({ path }) => {
  const client = createClient({ url: `file:${path}` })
  const db = onLibsql(client)
  const scopeOf = (tx: BaseSQLiteDatabase<'async', unknown>): Scope => ({
    tx,
    exec: (text) => tx.run(sql.raw(text)),
    nest: (work) => tx.transaction((inner) => walk(work(scopeOf(inner)))),
  })
  return {
    adapter: drizzleTransaction({ dialect: 'sqlite' }),
    refused: { 'the database': db, 'the client': client },
    transact: (work) => db.transaction((tx) => walk(work(scopeOf(tx)))),
    close: () => client.close(),
  }
}
