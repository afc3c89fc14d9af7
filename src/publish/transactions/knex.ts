import type { Row, Statement } from '../../store/statement.ts'
import type { TransactionAdapter } from '../../store/transaction-adapter.ts'
import { guarded } from './guarded.ts'
import { describe, hasMethods, isObject, notATransaction, transactionEnded } from './refusal.ts'
import { type DialectOption, dialectOf } from './sql-dialect.ts'

type Value = string | number | null

/** What we need of a `Knex.Transaction`. A `Knex` does not fit: it has no `isCompleted`. */
export interface KnexTransaction {
  raw(text: string, values: readonly Value[]): PromiseLike<unknown>
  isCompleted(): boolean
}

/**
 * The transaction adapter of Knex: pass `trx`. Throws `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or
 * `TRANSACTION_ABORTED`.
 *
 * @example
 * const broadcaster = new Broadcaster({ store, transaction: knexTransaction({ dialect: 'postgres' }), backends })
 * await knex.transaction(async (trx) => {
 *   await trx('orders').insert(order)
 *   await broadcaster.publish(trx, { type: 'order.created', source: '/orders', data: order })
 * })
 */
export function knexTransaction(options: DialectOption): TransactionAdapter<KnexTransaction> {
  const dialect = dialectOf('knexTransaction', options)
  return {
    name: 'knex',
    dialect,
    check(tx: KnexTransaction): void {
      if (!hasMethods(tx, 'raw', 'isCompleted')) {
        const what = hasMethods(tx, 'raw') ? 'a Knex instance' : describe(tx)
        throw notATransaction(what, 'pass the argument of the function that you give to knex.transaction()')
      }
      if (tx.isCompleted()) throw transactionEnded('a Knex transaction')
    },
    execute(tx: KnexTransaction, { strings, values }: Statement): Promise<readonly Row[]> {
      const run = async (text: string, bindings: readonly unknown[]): Promise<readonly Row[]> =>
        rowsOf(await tx.raw(text, bindings as readonly Value[]))
      // Knex reads `?` in every dialect and numbers it itself; no statement of a store has one of its own.
      return guarded(dialect, 'a Knex transaction', run, strings.join('?'), values)
    },
  }
}

/** Knex hands over what the driver gave: pg an object, mysql2 rows and fields, better-sqlite3 the rows. */
function rowsOf(result: unknown): readonly Row[] {
  if (!Array.isArray(result)) return isObject(result) && Array.isArray(result['rows']) ? result['rows'] : []
  return Array.isArray(result[0]) ? result[0] : result
}
