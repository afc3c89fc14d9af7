import type { Store } from '../store.ts'
import { type StoreParts, storeOf } from '../store-of.ts'
import { admin } from './admin.ts'
import { audit } from './audit.ts'
import type { Client, Runs } from './client.ts'
import { coordination } from './coordination.ts'
import { fetch, fetchData, lastSeq, waitingNames } from './fetch.ts'
import { history } from './history.ts'
import { inbox } from './inbox.ts'
import { mysql2Clients } from './mysql2-client.ts'
import { type Mysql2Transaction, mysql2Transaction } from './mysql2-transaction.ts'
import { openMysql2 } from './open-mysql2.ts'
import { operations } from './operations.ts'
import { type MysqlOptions, placeOfOptions, resolveOptions } from './options.ts'
import { publish } from './publish.ts'
import { retention } from './purge.ts'
import { reconcile } from './reconcile.ts'
import { schema } from './schema/schema.ts'
import { settle, settleByOwner } from './settle.ts'
import { type Tables, tablesOf } from './tables.ts'
import { unpark } from './unpark.ts'

export type { MysqlOptions, MysqlPoolOptions, MysqlUrlOptions } from './options.ts'

/** The native transaction of a MySQL store: a connection of `mysql2/promise` on which a transaction was begun. */
export type MysqlTransaction = Mysql2Transaction

const RELAY = { fetch, fetchData, lastSeq, unpark, settle, reconcile, settleByOwner, waitingNames }
const PARTS: StoreParts<Client, Runs, Tables> = {
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
  const clients = mysql2Clients(open, resolved.statements)
  return {
    dialect: 'mysql',
    description: `mysql ${t.events.text.replaceAll('`', '')}`,
    place: placeOfOptions(resolved),
    transactionAdapter: mysql2Transaction(),
    ...storeOf(PARTS, clients, t),
    transaction: (work) =>
      clients.application.lend(async ({ native, conclude }) => {
        const result = await work(native as MysqlTransaction)
        await conclude(async () => undefined)
        return result
      }),
    statementTimeout: resolved.statements.statementTimeout,
  }
}
