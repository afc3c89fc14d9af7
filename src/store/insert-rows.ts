import type { InsertedRow, NewOutboxEvent } from '../record/columns.ts'
import type { PublishStore } from './store.ts'
import type { TransactionAdapter } from './transaction-adapter.ts'

/**
 * Inserts rows on the caller's transaction, in their order: one statement, where the database can. Resolves with
 * those that were added; the others are there already. With no row more than one statement takes, the first
 * is sent before this yields.
 */
export async function insertRows<Tx>(
  store: PublishStore,
  adapter: TransactionAdapter<Tx>,
  tx: Tx,
  rows: readonly NewOutboxEvent[],
): Promise<readonly InsertedRow[]> {
  const { rowsPerInsert = rows.length } = store
  const added: InsertedRow[] = []
  for (let n = 0; n < rows.length; n += rowsPerInsert) {
    const some = rows.slice(n, n + rowsPerInsert)
    let returned = await adapter.execute(tx, store.insert(some))
    if (returned.length === 0 && store.readBack) returned = await adapter.execute(tx, store.readBack(some))
    added.push(...store.inserted(returned))
  }
  return added
}
