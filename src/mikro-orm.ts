// The transaction adapter of MikroORM.
export { type MikroOrmTransaction, mikroOrmTransaction } from './transactions/mikro-orm.ts'
export type { DialectOption, SqlDialect } from './transactions/sql-dialect.ts'
