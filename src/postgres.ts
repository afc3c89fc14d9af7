// The store of PostgreSQL and PGlite, and the transaction adapters of its drivers.
export type {
  DedicatedClient,
  PostgresOptions,
  PostgresPgliteOptions,
  PostgresPoolOptions,
  PostgresUrlOptions,
} from './store/postgres/options.ts'
export type { PgPool, PgPoolClient } from './store/postgres/pg-client.ts'
export { type PgTransaction, type PgTransactionOptions, pgTransaction } from './store/postgres/pg-transaction.ts'
export type { PgliteDatabase, PgliteStoreTransaction } from './store/postgres/pglite.ts'
export { type PgliteTransaction, pgliteTransaction } from './store/postgres/pglite.ts'
export { type PostgresTransaction, postgres } from './store/postgres/postgres.ts'
export { type PostgresJsTransaction, postgresJsTransaction } from './store/postgres/postgres-js-transaction.ts'
