import { type Mysql2Transaction, mysql2Transaction } from '../../publish/transactions/mysql2.ts'
import type { Store } from '../store.ts'
import { breakers } from './breakers.ts'
import { claim } from './claim.ts'
import { clientsOn } from './clients.ts'
import { count } from './count.ts'
import { destinations } from './destinations.ts'
import { enter } from './enter.ts'
import { fetch } from './fetch.ts'
import { findDuplicate, found } from './find-duplicate.ts'
import { hold, lift } from './hold.ts'
import { findStored, identityOf, notStored } from './identity.ts'
import { inbox } from './inbox.ts'
import { BYTES_PER_INSERT, insert, inserted, ROWS_PER_INSERT, readBack } from './insert.ts'
import { leave } from './leave.ts'
import { list } from './list.ts'
import { move } from './move.ts'
import { openMysql2 } from './open-mysql2.ts'
import { type MysqlOptions, resolveOptions } from './options.ts'
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
import { tablesOf } from './tables.ts'
import { unpark } from './unpark.ts'
import { waitingNames } from './waiting-names.ts'

export type { MysqlOptions, MysqlPoolOptions, MysqlUrlOptions } from './options.ts'

/** The native transaction of a MySQL store: a connection of `mysql2/promise` on which a transaction was begun. */
export type MysqlTransaction = Mysql2Transaction

/**
 * The outbox in MySQL 8.0.17 or later, or MariaDB 10.6 or later. Connects at first use. Throws `INVALID_OPTION`; a URL
 * without the package `mysql2` throws `MISSING_DEPENDENCY` at first use.
 *
 * @example
 * const store = mysql({ pool: createPool('mysql://root@localhost/shop') })
 */
export function mysql(options: MysqlOptions): Store<MysqlTransaction> {
  const resolved = resolveOptions(options)
  const t = tablesOf(resolved.table, resolved.database)
  const open = openMysql2(resolved)
  const clients = clientsOn(open, resolved.statements)
  const { worker, heartbeat, operator } = clients
  return {
    dialect: 'mysql',
    description: `mysql ${t.events.text.replaceAll('`', '')}`,
    place: placeOfOptions(resolved),
    transactionAdapter: mysql2Transaction(),
    publish: {
      insert: insert(t),
      insertOrder: (row) => identityOf(row) ?? row.id,
      rowsPerInsert: ROWS_PER_INSERT,
      bytesPerInsert: BYTES_PER_INSERT,
      findStored: findStored(t),
      notStored,
      readBack: readBack(t),
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
      lift: (holds) => lift(operator, t, holds),
      stats: stats(operator, t),
    },
    inbox: inbox(worker, t),
    schema: schema(clients, t),
    transaction: (work) =>
      clients.application.lend(async ({ native, conclude }) => {
        const result = await work(native as MysqlTransaction)
        await conclude(async () => undefined)
        return result
      }),
    close: () => clients.close(),
    statementTimeout: resolved.statements.statementTimeout,
  }
}
