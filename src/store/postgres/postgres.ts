import { type PgTransaction, pgTransaction } from '../../publish/transactions/pg.ts'
import { type PgliteTransaction, pgliteTransaction } from '../../publish/transactions/pglite.ts'
import type { Store } from '../store.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'
import { breakers } from './breakers.ts'
import { claim } from './claim.ts'
import type { Clients } from './client.ts'
import { clientsOn } from './clients.ts'
import { count } from './count.ts'
import { destinations } from './destinations.ts'
import { enter } from './enter.ts'
import { fetch } from './fetch.ts'
import { findDuplicate, found } from './find-duplicate.ts'
import { hold, lift } from './hold.ts'
import { inbox } from './inbox.ts'
import { BYTES_PER_INSERT, insert, inserted } from './insert.ts'
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
import { pgliteClients } from './pglite-client.ts'
import { placeOfOptions } from './place.ts'
import { purge } from './purge.ts'
import { quiet } from './quiet.ts'
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
import { waitingNames } from './waiting-names.ts'

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
  const clients = clientsOn(open, resolved.statements)
  const wake = resolved.listen === false ? {} : { wake: listen(clients.heartbeat, t, open.connectListener) }
  const { statementTimeout } = resolved.statements
  return { ...storeOn(clients, t, pgTransaction()), place, ...wake, statementTimeout }
}

function storeOn<Tx>(clients: Clients, t: Tables, transactionAdapter: TransactionAdapter<Tx>): Store<Tx> {
  const { worker, heartbeat, operator } = clients
  return {
    dialect: 'postgres',
    description: `postgres ${t.events.replaceAll('"', '')}`,
    transactionAdapter,
    publish: {
      insert: insert(t),
      bytesPerInsert: BYTES_PER_INSERT,
      inserted,
      findDuplicate: findDuplicate(t),
      found,
    },
    relay: {
      fetch: fetch(worker, t),
      unpark: unpark(worker, t),
      settle: settle(worker, t),
      reconcile: reconcile(worker, t),
      settleInTransaction: settleInTransaction(clients.handlers, t),
      purge: purge(worker, t),
      waitingNames: waitingNames(worker, t),
    },
    coordination: {
      enter: enter(heartbeat, t),
      renew: renew(heartbeat, t),
      ...survey(heartbeat, t),
      claim: claim(heartbeat, t),
      quiet: quiet(heartbeat, t),
      release: release(heartbeat, t),
      leave: leave(heartbeat, t),
      breakers: breakers(heartbeat, t),
      destinations: destinations(heartbeat, t),
    },
    admin: {
      list: list(operator, t),
      count: count(operator, t),
      hold: hold(operator, t),
      move: move(operator, t),
      lift: (holds) => lift(t)(operator, holds),
      stats: stats(operator, t),
    },
    inbox: inbox(worker, t),
    schema: schema(clients, t),
    transaction: (work) => clients.application.lend((tx) => work(tx.native as Tx)),
    close: () => clients.close(),
  }
}
