import type { InsertedRow, NewOutboxEvent } from '../record/columns.ts'
import { inInsertOrder } from './insert-order.ts'
import type { PublishStore } from './store.ts'
import type { TransactionAdapter } from './transaction-adapter.ts'

/**
 * Inserts rows on the caller's transaction, those of a key in their order, and leaves out those that are there already. Resolves with
 * those that were added. The first statement is sent before this yields.
 */
export async function insertRows<Tx>(
  store: PublishStore,
  adapter: TransactionAdapter<Tx>,
  tx: Tx,
  given: readonly NewOutboxEvent[],
): Promise<readonly InsertedRow[]> {
  const rows = inInsertOrder(given)
  const stored = store.findStored?.(rows)
  const left = stored && store.notStored ? store.notStored(rows, await adapter.execute(tx, stored)) : rows
  const { rowsPerInsert = left.length } = store
  const added: InsertedRow[] = []
  for (let n = 0; n < left.length; n += rowsPerInsert) {
    const some = left.slice(n, n + rowsPerInsert)
    let returned = await adapter.execute(tx, store.insert(some))
    if (returned.length === 0 && store.readBack) returned = await adapter.execute(tx, store.readBack(some))
    added.push(...store.inserted(returned))
  }
  return added
}
