import connect, { type TransactionSql } from 'postgres'
import { postgresJsTransaction } from '../../../../src/store/postgres/postgres-js-transaction.ts'
import { type OpenCell, type Scope, walk } from '../cell.ts'

export const postgres: OpenCell = async ({ url }) => {
  const sql = connect(url, { max: 2, onnotice: () => {} })
  const reserved = await sql.reserve()
  const scopeOf = (tx: TransactionSql): Scope => ({
    tx,
    exec: (text) => tx.unsafe(text),
    nest: (work) => tx.savepoint((inner) => walk(work(scopeOf(inner)))),
  })
  return {
    adapter: postgresJsTransaction(),
    refused: { 'the pool': sql, 'a reserved connection': reserved },
    transact: (work) => sql.begin((tx) => walk(work(scopeOf(tx)))),
    async close() {
      reserved.release()
      await sql.end()
    },
  }
}
