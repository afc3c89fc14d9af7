import type { InsertedRow, NewOutboxEvent } from '../record/columns.ts'
import { insertChunks } from './insert-chunks.ts'
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
  const added: InsertedRow[] = []
  for (const rows of insertChunks(store, inInsertOrder(given, store.insertOrder))) {
    const stored = store.findStored?.(rows)
    const some = stored && store.notStored ? store.notStored(rows, await adapter.execute(tx, stored)) : rows
    if (some.length === 0) continue
    let returned = await adapter.execute(tx, store.insert(some))
    if (returned.length === 0 && store.readBack) returned = await adapter.execute(tx, store.readBack(some))
    added.push(...store.inserted(returned))
  }
  return added
}
