// The transaction adapter of Knex.
export { type KnexTransaction, knexTransaction } from './transactions/knex.ts'
export type { DialectOption, SqlDialect } from './transactions/sql-dialect.ts'
