// The transaction adapter of TypeORM.

export type { DialectOption, SqlDialect } from './transactions/sql-dialect.ts'
export {
  type TypeormManager,
  type TypeormQueryRunner,
  type TypeormTransaction,
  typeormTransaction,
} from './transactions/typeorm.ts'
