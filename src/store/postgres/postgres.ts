import { type PgTransaction, pgTransaction } from '../../publish/transactions/pg.ts'
import { type PgliteTransaction, pgliteTransaction } from '../../publish/transactions/pglite.ts'
import type { Store } from '../store.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'
import { breakers } from './breakers.ts'
import { claim } from './claim.ts'
import type { Client } from './client.ts'
import { count } from './count.ts'
import { deleteEvents } from './delete.ts'
import { enter } from './enter.ts'
import { fetch } from './fetch.ts'
import { findDuplicate, found } from './find-duplicate.ts'
import { inbox } from './inbox.ts'
import { insert, inserted } from './insert.ts'
import { leave } from './leave.ts'
import { list } from './list.ts'
import { listen } from './listen.ts'
import { listenPglite } from './listen-pglite.ts'
import { move } from './move.ts'
import { openPg } from './open-pg.ts'
import {
  type PostgresOptions,
  type PostgresPgliteOptions,
  type PostgresPoolOptions,
  type PostgresUrlOptions,
  resolveOptions,
} from './options.ts'
import { pgClient } from './pg-client.ts'
import { pgliteClient } from './pglite-client.ts'
import { placeOfOptions } from './place.ts'
import { purge } from './purge.ts'
import { reconcile } from './reconcile.ts'
import { release } from './release.ts'
import { renew } from './renew.ts'
import { schema } from './schema/schema.ts'
import { settle } from './settle.ts'
import { settleInTransaction } from './settle-in-transaction.ts'
import { stats } from './stats.ts'
import { survey } from './survey.ts'
import { type Tables, tablesOf } from './tables.ts'
import { unpark } from './unpark.ts'

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
  if ('pglite' in via) {
    const client = pgliteClient(via.pglite)
    const wake = resolved.listen === false ? {} : { wake: listenPglite(via.pglite, client, t) }
    return { ...storeOn(client, t, pgliteTransaction()), place: placeOfOptions(resolved), ...wake }
  }
  const open = openPg(resolved)
  const client = pgClient(open.pool, open.end)
  const wake = resolved.listen === false ? {} : { wake: listen(client, t, open.connectListener) }
  return { ...storeOn(client, t, pgTransaction()), place: placeOfOptions(resolved), ...wake }
}

function storeOn<Tx>(client: Client, t: Tables, transactionAdapter: TransactionAdapter<Tx>): Store<Tx> {
  return {
    dialect: 'postgres',
    description: `postgres ${t.events.replaceAll('"', '')}`,
    transactionAdapter,
    publish: {
      insert: insert(t),
      inserted,
      findDuplicate: findDuplicate(t),
      found,
    },
    relay: {
      fetch: fetch(client, t),
      unpark: unpark(client, t),
      settle: settle(client, t),
      reconcile: reconcile(client, t),
      settleInTransaction: settleInTransaction(client, t),
      purge: purge(client, t),
    },
    coordination: {
      enter: enter(client, t),
      renew: renew(client, t),
      survey: survey(client, t),
      claim: claim(client, t),
      release: release(client, t),
      leave: leave(client, t),
      breakers: breakers(client, t),
    },
    admin: {
      list: list(client, t),
      count: count(client, t),
      move: move(client, t),
      delete: deleteEvents(client, t),
      stats: stats(client, t),
    },
    inbox: inbox(client, t),
    schema: schema(client, t),
    transaction: (work) => client.transaction((tx) => work(tx.native as Tx)),
    close: () => client.close(),
  }
}
