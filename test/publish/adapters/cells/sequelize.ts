import { Sequelize, type Transaction } from 'sequelize'
import { sequelizeTransaction } from '../../../../src/transactions/sequelize.ts'
import type { SqlDialect } from '../../../../src/transactions/sql-dialect.ts'
import { type Cell, type OpenCell, type Scope, walk } from '../cell.ts'

function cellOf(dialect: SqlDialect, sequelize: Sequelize): Cell {
  const scopeOf = (transaction: Transaction): Scope => ({
    tx: transaction,
    exec: (sql) => sequelize.query(sql, { transaction }),
    nest: (work) => sequelize.transaction({ transaction }, (inner) => walk(work(scopeOf(inner)))),
  })
  return {
    adapter: sequelizeTransaction({ dialect }),
    refused: { 'the instance': sequelize },
    transact: (work) => sequelize.transaction((transaction) => walk(work(scopeOf(transaction)))),
    close: () => sequelize.close(),
  }
}

export const postgres: OpenCell = async ({ url }) =>
  cellOf('postgres', new Sequelize(url, { logging: false, pool: { max: 2 } }))

export const mysql: OpenCell = async ({ url }) =>
  cellOf('mysql', new Sequelize(url, { logging: false, pool: { max: 2 } }))

/** What its users set against deadlocks. It runs the statement again, and not the transaction. */
const retry = { max: 3, match: [/deadlock/i, /could not serialize/i, /aborted/i] }

export const retryingPostgres: OpenCell = async ({ url }) =>
  cellOf('postgres', new Sequelize(url, { logging: false, pool: { max: 2 }, retry }))

export const retryingMysql: OpenCell = async ({ url }) =>
  cellOf('mysql', new Sequelize(url, { logging: false, pool: { max: 2 }, retry }))
