// The transaction adapter of Prisma.
export { type PrismaTransaction, prismaTransaction } from './transactions/prisma.ts'
export type { DialectOption, SqlDialect } from './transactions/sql-dialect.ts'
