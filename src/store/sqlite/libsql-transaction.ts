import { describe, hasMethods, notATransaction, transactionEnded } from '../../transactions/refusal.ts'
import { joinStatement, type Row, type Statement } from '../statement.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'

type Value = string | number | null

/** What we need of a `Transaction` of `@libsql/client`. The client itself does not fit: it has no `commit`. */
export interface LibsqlTransaction {
  execute(statement: { sql: string; args: Value[] }): Promise<{ rows: unknown[] }>
  commit(): Promise<void>
  readonly closed: boolean
}

/**
 * The transaction adapter of `@libsql/client` (SQLite files, sqld, Turso). Throws `NOT_A_TRANSACTION` or
 * `TRANSACTION_ENDED`.
 *
 * @example
 * const tx = await client.transaction('write')
 * try {
 *   await broadcaster.publish(tx, { type: 'order.created', source: '/orders', data })
 *   await tx.commit()
 * } finally {
 *   tx.close()
 * }
 */
export function libsqlTransaction(): TransactionAdapter<LibsqlTransaction> {
  return {
    name: 'libsql',
    dialect: 'sqlite',
    check(tx: LibsqlTransaction): void {
      if (!hasMethods(tx, 'execute', 'commit')) {
        const what = hasMethods(tx, 'execute', 'transaction') ? 'a libSQL client' : describe(tx)
        throw notATransaction(what, "pass what client.transaction('write') resolves with")
      }
      if (tx.closed) throw transactionEnded('a libSQL transaction')
    },
    async execute(tx: LibsqlTransaction, statement: Statement): Promise<readonly Row[]> {
      const { rows } = await tx.execute({
        sql: joinStatement(statement, () => '?'),
        args: [...statement.values] as Value[],
      })
      return rows as Row[]
    },
  }
}
