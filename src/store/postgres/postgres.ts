import type { Store } from '../store.ts'
import { type StoreParts, storeOf } from '../store-of.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'
import { admin } from './admin.ts'
import { audit } from './audit.ts'
import type { Client, Clients, Queries } from './client.ts'
import { coordination } from './coordination.ts'
import { fetch, fetchData, fetchFew, lastSeq, waitingNames } from './fetch.ts'
import { history } from './history.ts'
import { inbox } from './inbox.ts'
import { listen } from './listen.ts'
import { openPg } from './open-pg.ts'
import { operations } from './operations.ts'
import {
  type PostgresOptions,
  type PostgresPgliteOptions,
  type PostgresPoolOptions,
  type PostgresUrlOptions,
  placeOfOptions,
  resolveOptions,
} from './options.ts'
import { pgClients } from './pg-client.ts'
import { type PgTransaction, pgTransaction } from './pg-transaction.ts'
import { listenPglite, type PgliteTransaction, pgliteClients, pgliteTransaction } from './pglite.ts'
import { publish } from './publish.ts'
import { retention } from './purge.ts'
import { reconcile } from './reconcile.ts'
import { schema } from './schema/schema.ts'
import { settle, settleByOwner } from './settle.ts'
import { type Tables, tablesOf } from './tables.ts'
import { unpark } from './unpark.ts'
import { writers } from './writers.ts'

/** The native transaction of a PostgreSQL store: a client of `pg` on which BEGIN was run, or PGlite's transaction. */
export type PostgresTransaction = PgTransaction | PgliteTransaction

/**
 * The outbox in PostgreSQL 13 or later: a server, behind PgBouncer in any mode, or PGlite. Connects at first use.
 * Throws `INVALID_OPTION`; a connection string without the package `pg` throws `MISSING_DEPENDENCY` at first use.
 *
 * @example
 * const store = postgres({ pool: new Pool({ connectionString }) })
 */
export function postgres(options: PostgresPgliteOptions): Store<PgliteTransaction>
export function postgres(options: PostgresPoolOptions | PostgresUrlOptions): Store<PgTransaction>
export function postgres(options: PostgresOptions): Store<PgTransaction> | Store<PgliteTransaction> {
  const resolved = resolveOptions(options)
  const t = tablesOf(resolved.table, resolved.schema)
  const { via } = resolved
  const place = placeOfOptions(resolved)
  if ('pglite' in via) {
    const clients = pgliteClients(via.pglite)
    const wake = resolved.listen === false ? {} : { wake: listenPglite(via.pglite, clients.heartbeat, t) }
    return { ...storeOn(clients, t, pgliteTransaction()), place, ...wake }
  }
  const open = openPg(resolved)
  const clients = pgClients(open, resolved.statements, resolved.prepare)
  const wake = resolved.listen === false ? {} : { wake: listen(clients.heartbeat, t, open.connectListener) }
  const { statementTimeout } = resolved.statements
  return { ...storeOn(clients, t, pgTransaction({ prepare: resolved.prepare })), place, ...wake, statementTimeout }
}

const RELAY = { fetch, fetchFew, fetchData, lastSeq, unpark, settle, reconcile, settleByOwner, waitingNames, writers }
const PARTS: StoreParts<Client, Queries, Tables> = {
  ...RELAY,
  publish,
  retention,
  coordination,
  admin,
  audit,
  operations,
  history,
  inbox,
  schema,
}

function storeOn<Tx>(clients: Clients, t: Tables, transactionAdapter: TransactionAdapter<Tx>): Store<Tx> {
  return {
    dialect: 'postgres',
    description: `postgres ${t.events.replaceAll('"', '')}`,
    transactionAdapter,
    ...storeOf(PARTS, clients, t),
    transaction: (work) => clients.application.lend((tx) => work(tx.native as Tx)),
  }
}
