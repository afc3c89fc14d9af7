import { BroadcasterError } from '../errors.ts'
import type { Row, Statement } from '../store/statement.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'
import { rowsOf, unpaired } from './driver-result.ts'
import { type DrizzleQuery, drizzleQuery } from './drizzle-query.ts'
import { guarded } from './guarded.ts'
import { requireOpenByLock } from './lock-probe.ts'
import { describe, hasMethods, isObject, notATransaction, refuseAborted, transactionEnded } from './refusal.ts'
import { type DialectOption, dialectOf, joinFor, type SqlDialect } from './sql-dialect.ts'

/** What we need of Drizzle's `PgTransaction` or `MySqlTransaction`. A database does not fit: it has no `rollback`. */
export interface DrizzleTransaction {
  execute(query: DrizzleQuery | string): PromiseLike<unknown>
  rollback(): never
}

/** What we need of Drizzle's `SQLiteTransaction`. A database does not fit: it has no `rollback`. */
export interface DrizzleSqliteTransaction {
  all(query: DrizzleQuery | string): unknown
  rollback(): never
}

/** The adapter of a Drizzle that may be synchronous: better-sqlite3 is, libSQL is not. */
export interface DrizzleSqliteAdapter extends TransactionAdapter<DrizzleSqliteTransaction> {
  /** Throws `INVALID_OPTION` for a driver that answers with promises. */
  executeSync(tx: DrizzleSqliteTransaction, statement: Statement): readonly Row[]
}

const WHAT = 'a Drizzle transaction'

/**
 * The transaction adapter of Drizzle: pass the argument of the function given to `db.transaction`. Works with each of
 * Drizzle's drivers of the dialect. With a driver that does not know whether the transaction is still open
 * (postgres.js, pg before 8.21) the server is asked first: one more round trip. Throws `NOT_A_TRANSACTION`,
 * `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 *
 * @example
 * const broadcaster = new Broadcaster({ store, transaction: drizzleTransaction({ dialect: 'postgres' }), backends })
 * await db.transaction(async (tx) => {
 *   await tx.insert(orders).values(order)
 *   await broadcaster.publish(tx, { type: 'order.created', source: '/orders', data: order })
 * })
 */
export function drizzleTransaction(options: DialectOption<'sqlite'>): DrizzleSqliteAdapter
export function drizzleTransaction(options: DialectOption<'postgres' | 'mysql'>): TransactionAdapter<DrizzleTransaction>
export function drizzleTransaction(
  options: DialectOption,
): TransactionAdapter<DrizzleTransaction> | DrizzleSqliteAdapter {
  const dialect = dialectOf('drizzleTransaction', options)
  return dialect === 'sqlite' ? sqliteAdapter() : serverAdapter(dialect)
}

function serverAdapter(dialect: SqlDialect): TransactionAdapter<DrizzleTransaction> {
  const runGuarded = guarded(dialect, WHAT)
  return {
    name: 'drizzle',
    dialect,
    check: (tx) => check(tx, 'execute'),
    async execute(tx: DrizzleTransaction, statement: Statement): Promise<readonly Row[]> {
      if (dialect === 'postgres' && statement.effect !== 'reads' && drizzleState(tx) === 'unknown') {
        await requireOpenByLock(WHAT, (text) => tx.execute(text))
      }
      const run = async (text: string, values: readonly unknown[]): Promise<readonly Row[]> =>
        rowsOf(dialect, await tx.execute(drizzleQuery(text, values)))
      const answer = async (text: string): Promise<unknown> => unpaired(await tx.execute(text))
      return runGuarded({ run, answer }, joinFor(dialect, statement), statement)
    },
    isIntact: (tx) => drizzleState(tx) === 'intact',
  }
}

function sqliteAdapter(): DrizzleSqliteAdapter {
  return {
    name: 'drizzle',
    dialect: 'sqlite',
    check: (tx) => check(tx, 'all'),
    execute: async (tx, statement) =>
      (await tx.all(drizzleQuery(joinFor('sqlite', statement), statement.values))) as Row[],
    executeSync(tx, statement) {
      // Asked before the statement runs: afterwards it could not be taken back.
      if (isObject(tx) && tx['resultKind'] === 'async') {
        throw new BroadcasterError(
          'INVALID_OPTION',
          'publishSync needs a synchronous driver, such as better-sqlite3; with this one use publish',
          { field: 'tx' },
        )
      }
      return tx.all(drizzleQuery(joinFor('sqlite', statement), statement.values)) as Row[]
    },
  }
}

function check(tx: unknown, method: 'execute' | 'all'): void {
  if (!hasMethods(tx, method, 'rollback')) {
    const what = hasMethods(tx, method, 'transaction') ? 'a Drizzle database' : describe(tx)
    throw notATransaction(what, 'pass the argument of the function that you give to db.transaction()')
  }
  const state = drizzleState(tx)
  if (state === 'ended') throw transactionEnded(WHAT)
  if (state === 'aborted') refuseAborted(WHAT)({ code: '25P02' })
}

/** What is known of a transaction without asking the server. `open`: or aborted; `intact`: open and not aborted. */
type DrizzleState = 'intact' | 'open' | 'ended' | 'aborted' | 'unknown'

/**
 * Drizzle does not say whether its transactions have ended, and passes late statements on, to a connection that may be
 * back in its pool. The driver's client underneath (`tx.session.client`, internal to Drizzle) knows: pg from 8.21 on by
 * `getTransactionStatus`, better-sqlite3 by `inTransaction`, PGlite and libSQL by `closed`. Where it is not found or
 * does not say, the answer is `unknown`.
 */
function drizzleState(tx: unknown): DrizzleState {
  const session = isObject(tx) ? tx['session'] : undefined
  if (!isObject(session)) return 'unknown'
  const { client, tx: libsql } = session
  if (isObject(libsql) && typeof libsql['closed'] === 'boolean') return libsql['closed'] ? 'ended' : 'open'
  if (!isObject(client)) return 'unknown'
  if (typeof client['inTransaction'] === 'boolean') return client['inTransaction'] ? 'open' : 'ended'
  if (typeof client['closed'] === 'boolean') return client['closed'] ? 'ended' : 'open'
  // While an answer is outstanding the status may be stale.
  if (typeof client['getTransactionStatus'] !== 'function' || client['readyForQuery'] === false) return 'unknown'
  switch (client['getTransactionStatus']()) {
    case 'T':
      // With pipelining answers arrive together, and this may be the state after a later statement.
      return client['pipeline'] === true ? 'open' : 'intact'
    case 'E':
      return 'aborted'
    case 'I':
      return 'ended'
    default:
      return 'unknown'
  }
}
