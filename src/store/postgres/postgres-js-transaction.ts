import { requireOpenByLock } from '../../transactions/lock-probe.ts'
import { describe, hasMethods, notATransaction, refuseAborted } from '../../transactions/refusal.ts'
import { numberedText, type Row, type Statement } from '../statement.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'

type Value = string | number | null

const WHAT = 'a postgres.js transaction'

/**
 * What we need of a `TransactionSql` of postgres.js, the argument of the function given to `sql.begin` or
 * `savepoint`. The pool (`sql` itself) and a reserved connection do not fit: they have no `savepoint`.
 */
export interface PostgresJsTransaction {
  unsafe(text: string, values?: Value[], options?: { readonly prepare?: boolean }): PromiseLike<unknown>
  savepoint(work: unknown): Promise<unknown>
}

/**
 * The transaction adapter of postgres.js. The library does not tell whether a transaction has ended, and sends what
 * comes late as a statement of its own: so the server is asked first before each write, which is one more round trip. Throws
 * `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 *
 * @example
 * await sql.begin(async (tx) => {
 *   await tx`INSERT INTO orders ${tx(order)}`
 *   await broadcaster.publish(tx, { type: 'order.created', source: '/orders', data: order })
 * })
 */
export function postgresJsTransaction(): TransactionAdapter<PostgresJsTransaction> {
  return {
    name: 'postgres.js',
    dialect: 'postgres',
    check(tx: PostgresJsTransaction): void {
      if (hasMethods(tx, 'unsafe', 'savepoint')) return
      const what = hasMethods(tx, 'unsafe', 'begin') ? 'the sql function of postgres.js' : describe(tx)
      throw notATransaction(what, 'pass the argument of the function that you give to sql.begin()')
    },
    async execute(tx: PostgresJsTransaction, statement: Statement): Promise<readonly Row[]> {
      const text = numberedText(statement)
      if (statement.effect !== 'reads') await requireOpenByLock(WHAT, (probe) => tx.unsafe(probe))
      // Where the user's own `prepare: false` says that there is a pooler in between, the library prepares nothing.
      const prepare = statement.keep === true
      const answer = tx.unsafe(text, [...statement.values] as Value[], { prepare })
      const rows = await Promise.resolve(answer).catch(refuseAborted(WHAT))
      return rows as Row[]
    },
  }
}
