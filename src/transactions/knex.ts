import type { Row, Statement } from '../store/statement.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'
import { rowsOf, unpaired } from './driver-result.ts'
import { guarded } from './guarded.ts'
import { describe, hasMethods, notATransaction, transactionEnded } from './refusal.ts'
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
  const runGuarded = guarded(dialect, 'a Knex transaction')
  return {
    name: 'knex',
    dialect,
    check(tx: KnexTransaction): void {
      if (!hasMethods(tx, 'raw', 'isCompleted')) {
        const what = hasMethods(tx, 'raw') ? 'a Knex instance' : describe(tx)
        throw notATransaction(what, 'pass the argument of the function that you give to knex.transaction()')
      }
      requireOpen(tx)
    },
    execute(tx: KnexTransaction, statement: Statement): Promise<readonly Row[]> {
      const run = async (text: string, bindings: readonly unknown[]): Promise<readonly Row[]> =>
        rowsOf(dialect, await tx.raw(text, bindings as readonly Value[]))
      const answer = async (text: string): Promise<unknown> => unpaired(await tx.raw(text, []))
      // Knex takes `?` in every dialect and numbers it itself; no statement of a store contains one otherwise.
      return runGuarded({ run, answer, check: () => requireOpen(tx) }, statement.strings.join('?'), statement)
    },
  }
}

function requireOpen(tx: KnexTransaction): void {
  if (tx.isCompleted()) throw transactionEnded('a Knex transaction')
}
