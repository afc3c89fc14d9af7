import { BroadcasterError } from '../../errors.ts'
import { joinStatement, type Row, type Statement } from '../../store/statement.ts'
import type { TransactionAdapter } from '../../store/transaction-adapter.ts'
import { refuseAborted } from './refusal.ts'

/**
 * What we need of PGlite's `Transaction`, the argument of the function given to `db.transaction`. The PGlite
 * instance itself does not fit: it has no `rollback`.
 */
export interface PgliteTransaction {
  query<T>(text: string, values?: unknown[]): Promise<{ rows: T[] }>
  rollback(): Promise<void>
  readonly closed: boolean
}

/**
 * The transaction adapter of PGlite. Throws `NOT_A_TRANSACTION` for the PGlite instance, `TRANSACTION_ENDED` for a
 * transaction that was committed or rolled back, `TRANSACTION_ABORTED` for one that an earlier error has aborted.
 *
 * @example
 * await db.transaction(async (tx) => {
 *   await broadcaster.publish(tx, { type: 'order.created', source: '/orders', data })
 * })
 */
export function pgliteTransaction(): TransactionAdapter<PgliteTransaction> {
  return {
    name: 'pglite',
    dialect: 'postgres',
    check(tx: PgliteTransaction): void {
      if (!isTransaction(tx)) {
        throw new BroadcasterError(
          'NOT_A_TRANSACTION',
          'tx is not a PGlite transaction; pass the argument of the function that you give to db.transaction()',
          { field: 'tx' },
        )
      }
      if (tx.closed) {
        throw new BroadcasterError(
          'TRANSACTION_ENDED',
          'tx is a PGlite transaction that has ended; publish before the function given to db.transaction() returns',
          { field: 'tx' },
        )
      }
    },
    async execute(tx: PgliteTransaction, statement: Statement): Promise<readonly Row[]> {
      const text = joinStatement(statement, (n) => `$${n}`)
      const { rows } = await tx.query<Row>(text, [...statement.values]).catch(refuseAborted('a PGlite transaction'))
      return rows
    },
  }
}

function isTransaction(tx: unknown): boolean {
  return typeof tx === 'object' && tx !== null && 'query' in tx && 'rollback' in tx && 'closed' in tx
}
