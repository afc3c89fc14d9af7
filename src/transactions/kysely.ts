import type { Row, Statement } from '../store/statement.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'
import { type Guarded, guarded } from './guarded.ts'
import { describe, hasMethods, isObject, notATransaction, transactionEnded } from './refusal.ts'
import { type DialectOption, dialectOf, joinFor } from './sql-dialect.ts'

const WHAT = 'a Kysely transaction'

/** A `CompiledQuery`, as `CompiledQuery.raw` makes it. */
export interface KyselyQuery {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly query: {
    readonly kind: 'RawNode'
    readonly sqlFragments: readonly string[]
    readonly parameters: readonly []
  }
  readonly queryId: { readonly queryId: string }
}

/** What runs the queries of a Kysely. */
export interface KyselyExecutor {
  executeQuery(query: KyselyQuery): Promise<{ readonly rows: unknown[] }>
  stream(query: KyselyQuery, chunkSize: number): unknown
  withoutPlugins(): KyselyExecutor
}

/** What we need of Kysely's `Transaction` (0.28.11 or newer). A `Kysely` does not fit: `isTransaction` is not true. */
export interface KyselyTransaction {
  readonly isTransaction: true
  getExecutor(): KyselyExecutor
}

/**
 * The transaction adapter of Kysely: pass the argument of the function given to `db.transaction().execute()`, or a
 * controlled transaction. Plugins do not see our statements. Throws `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or
 * `TRANSACTION_ABORTED`.
 *
 * @example
 * const broadcaster = new Broadcaster({ store, transaction: kyselyTransaction({ dialect: 'postgres' }), backends })
 * await db.transaction().execute(async (tx) => {
 *   await tx.insertInto('orders').values(order).execute()
 *   await broadcaster.publish(tx, { type: 'order.created', source: '/orders', data: order })
 * })
 */
export function kyselyTransaction(options: DialectOption): TransactionAdapter<KyselyTransaction> {
  const dialect = dialectOf('kyselyTransaction', options)
  const runGuarded = guarded(dialect, WHAT)
  return {
    name: 'kysely',
    dialect,
    check(tx: KyselyTransaction): void {
      if (!isKyselyTransaction(tx)) {
        const what = hasMethods(tx, 'getExecutor') ? 'a Kysely instance' : describe(tx)
        throw notATransaction(what, 'pass the argument of the function that you give to db.transaction().execute()')
      }
      if (hasKyselyEnded(tx)) throw transactionEnded(WHAT)
    },
    execute: (tx, statement) => runOnKysely(tx, WHAT, joinFor(dialect, statement), statement, runGuarded),
  }
}

/** Whether a value is a transaction of Kysely, open or not. */
export function isKyselyTransaction(value: unknown): value is KyselyTransaction {
  return hasMethods(value, 'getExecutor') && isObject(value) && value['isTransaction'] === true
}

/**
 * Kysely does not say whether a transaction has ended, but its executor throws when a stream is asked for. While the
 * transaction is open nothing is sent by that: a stream begins when it is first read.
 */
export function hasKyselyEnded(tx: KyselyTransaction): boolean {
  try {
    tx.getExecutor().stream(rawQuery('SELECT 1', []), 1)
    return false
  } catch {
    return true
  }
}

/** Runs a statement verbatim, past all plugins; `what` names the transaction in errors. */
export async function runOnKysely(
  tx: KyselyTransaction,
  what: string,
  text: string,
  statement: Statement,
  runGuarded: Guarded,
): Promise<readonly Row[]> {
  // `withoutPlugins` of the executor, not of the transaction: up to 0.29.6 a copy of a controlled transaction does not
  // know when that has ended.
  const executor = tx.getExecutor().withoutPlugins()
  const run = async (sql: string, values: readonly unknown[]): Promise<readonly Row[]> =>
    (await executor.executeQuery(rawQuery(sql, values))).rows as Row[]
  const check = (): void => {
    if (hasKyselyEnded(tx)) throw transactionEnded(what)
  }
  return runGuarded({ run, check }, text, statement)
}

function rawQuery(sql: string, values: readonly unknown[]): KyselyQuery {
  return {
    sql,
    parameters: [...values],
    query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
    queryId: { queryId: 'broadcaster' },
  }
}
