// The transaction adapter of Drizzle ORM.
export {
  type DrizzleSqliteAdapter,
  type DrizzleSqliteTransaction,
  type DrizzleTransaction,
  drizzleTransaction,
} from './transactions/drizzle.ts'
export type { DrizzleQuery } from './transactions/drizzle-query.ts'
export type { DialectOption, SqlDialect } from './transactions/sql-dialect.ts'
