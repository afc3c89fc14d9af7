// The transaction adapter of Kysely.
export {
  type KyselyExecutor,
  type KyselyQuery,
  type KyselyTransaction,
  kyselyTransaction,
} from './transactions/kysely.ts'
export type { DialectOption, SqlDialect } from './transactions/sql-dialect.ts'
