import Database from 'better-sqlite3'
import {
  CompiledQuery,
  type ControlledTransaction,
  type Dialect,
  Kysely,
  type KyselyPlugin,
  MysqlDialect,
  PGliteDialect,
  PostgresDialect,
  SqliteDialect,
  type Transaction,
} from 'kysely'
import { createPool } from 'mysql2'
import pg from 'pg'
import { kyselyTransaction } from '../../../../src/transactions/kysely.ts'
import type { SqlDialect } from '../../../../src/transactions/sql-dialect.ts'
import { type OpenCell, type Place, type Scope, savepointScope, walk } from '../cell.ts'

type Schema = Record<string, never>

/** A plugin that would lose what our statements return, so that they must not pass through it. */
const LOSES_ROWS: KyselyPlugin = {
  transformQuery: ({ node }) => node,
  transformResult: async ({ result }) => ({ ...result, rows: [] }),
}

const open = (dialect: Dialect) => new Kysely<Schema>({ dialect, plugins: [LOSES_ROWS] })

const DRIVERS: Readonly<Record<string, { speaks: SqlDialect; connect(place: Place): Dialect; keep?: true }>> = {
  postgres: {
    speaks: 'postgres',
    connect: ({ url }) => new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 2 }) }),
  },
  pglite: {
    speaks: 'postgres',
    connect({ pglite }) {
      if (!pglite) throw new Error('no PGlite')
      return new PGliteDialect({ pglite })
    },
    keep: true,
  },
  mysql: {
    speaks: 'mysql',
    connect: ({ url }) => new MysqlDialect({ pool: createPool({ uri: url, connectionLimit: 2 }) }),
  },
  sqlite: { speaks: 'sqlite', connect: ({ path }) => new SqliteDialect({ database: new Database(path) }) },
}

const exec = (tx: Transaction<Schema>) => (sql: string) => tx.executeQuery(CompiledQuery.raw(sql))

/** `db.transaction().execute()`, which knows no savepoints. */
export function callback(driver: string): OpenCell {
  return async (place) => {
    const { speaks, connect, keep } = DRIVERS[driver] ?? never()
    const db = open(connect(place))
    return {
      adapter: kyselyTransaction({ dialect: speaks }),
      refused: { 'the instance': db },
      transact: (work) => db.transaction().execute((tx) => walk(work(savepointScope(tx, exec(tx))))),
      // Kysely closes the PGlite that it was given.
      close: () => (keep ? undefined : db.destroy()),
    }
  }
}

/** `db.startTransaction()`, with Kysely's own savepoints. */
export function controlled(driver: string): OpenCell {
  return async (place) => {
    const { speaks, connect, keep } = DRIVERS[driver] ?? never()
    const db = open(connect(place))
    const scopeOf = (tx: ControlledTransaction<Schema, string[]>): Scope => ({
      tx,
      exec: exec(tx),
      async nest(work) {
        const inner = await tx.savepoint('inside').execute()
        try {
          await walk(work(scopeOf(inner)))
        } catch (error) {
          await inner.rollbackToSavepoint('inside').execute()
          throw error
        }
        await inner.releaseSavepoint('inside').execute()
      },
    })
    return {
      adapter: kyselyTransaction({ dialect: speaks }),
      refused: { 'the instance': db },
      async transact(work) {
        const tx = await db.startTransaction().execute()
        try {
          await walk(work(scopeOf(tx)))
        } catch (error) {
          await tx.rollback().execute()
          throw error
        }
        await tx.commit().execute()
      },
      close: () => (keep ? undefined : db.destroy()),
    }
  }
}

function never(): never {
  throw new Error('no such driver')
}
