import type { NewOutboxEvent } from '../../record/columns.ts'
import type { ClientTransaction } from './client.ts'
import { publish } from './publish.ts'
import { runOn } from './run-program.ts'
import type { Tables } from './tables.ts'

/** Inserts a corrected event as a publish does, and puts it into the place of the old one, which was cancelled in this transaction. */
export function comeInto(t: Tables) {
  const { insert } = publish(t)
  // One statement: each sees both rows as they were before it.
  const exchange = `
UPDATE ${t.events} AS e
SET seq = CASE WHEN e.id = o.id THEN n.seq ELSE coalesce(o.seq, n.seq) END,
  lane = coalesce(o.lane, n.lane),
  scheduled_at = o.scheduled_at,
  available_at = CASE WHEN e.id <> o.id AND o.scheduled_at > statement_timestamp() THEN o.scheduled_at END
FROM ${t.events} AS o, ${t.events} AS n
WHERE o.id = $1::uuid AND n.id = $2::uuid AND e.id IN (o.id, n.id)`
  return async (tx: ClientTransaction, id: string, row: NewOutboxEvent): Promise<void> => {
    await runOn(tx, insert([row]))
    await tx.query(exchange, [id, row.id])
  }
}
