import type { Outcome, Ownership } from '../relay-store.ts'
import { toSqlId } from '../values.ts'
import type { Connection } from './connection.ts'
import type { Decision } from './database.ts'
import type { settle } from './settle.ts'
import type { Tables } from './tables.ts'

/** Records `published` in the transaction of the work itself, under the current fence; anything else rolls back. */
export function settleInTransaction(t: Tables, record: ReturnType<typeof settle>) {
  // The transaction holds the write lock: what is read here stays true until the commit.
  const mayRecordSql = `
    SELECT 1 FROM ${t.events} AS e JOIN ${t.lanes} AS l ON l.backend = ? AND l.lane = e.lane
    WHERE e.id = ? AND e.status IN ('pending', 'retry', 'processing') AND l.lane = ? AND l.owner = ? AND l.fence = ?`
  return (
    db: Connection,
    ownership: Ownership,
    outcome: Outcome | undefined,
  ): Decision<{ readonly outcome: Outcome | undefined; readonly recorded: boolean }> => {
    const recorded =
      outcome?.kind === 'published' &&
      // Otherwise the outcome would stand although the effects of the handler were rolled back.
      db.isTransaction &&
      db.get(
        mayRecordSql,
        ownership.backend,
        toSqlId(outcome.id),
        outcome.lane,
        ownership.workerId,
        ownership.fences.get(outcome.lane) ?? null,
      ) !== undefined &&
      record(db, ownership, [outcome]).lost.length === 0
    return { commit: recorded, value: { outcome, recorded } }
  }
}
