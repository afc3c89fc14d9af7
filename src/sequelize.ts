// The transaction adapter of Sequelize.
export { type SequelizeTransaction, sequelizeTransaction } from './transactions/sequelize.ts'
export type { DialectOption, SqlDialect } from './transactions/sql-dialect.ts'
