import createKnex, { type Knex } from 'knex'
import { knexTransaction } from '../../../../src/transactions/knex.ts'
import type { SqlDialect } from '../../../../src/transactions/sql-dialect.ts'
import { type Cell, type OpenCell, type Scope, walk } from '../cell.ts'

function cellOf(dialect: SqlDialect, config: Knex.Config): Cell {
  const knex = createKnex({ ...config, pool: { min: 0, max: dialect === 'sqlite' ? 1 : 2 } })
  const scopeOf = (trx: Knex.Transaction): Scope => ({
    tx: trx,
    exec: (sql) => trx.raw(sql),
    nest: (work) => trx.transaction((inner) => walk(work(scopeOf(inner)))),
  })
  return {
    adapter: knexTransaction({ dialect }),
    refused: { 'the instance': knex, 'a provider of transactions': knex.transactionProvider() },
    transact: (work) => knex.transaction((trx) => walk(work(scopeOf(trx)))),
    close: () => knex.destroy(),
  }
}

export const postgres: OpenCell = async ({ url }) => cellOf('postgres', { client: 'pg', connection: url })

export const sqlite: OpenCell = async ({ path }) =>
  cellOf('sqlite', { client: 'better-sqlite3', connection: { filename: path }, useNullAsDefault: true })

export const mysql: OpenCell = async ({ url }) => cellOf('mysql', { client: 'mysql2', connection: url })
