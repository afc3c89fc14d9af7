import type { Lane } from '../coordination-store.ts'
import type { Connection } from './connection.ts'
import { LANE, toLane } from './survey.ts'
import type { Tables } from './tables.ts'
import { NOW } from './values.ts'

/** Takes lanes whose fence is still the one seen: a compare-and-set for each. A worker whose own lease has ended gets none. */
export function claim(t: Tables) {
  const sql = `
    UPDATE ${t.lanes} SET owner = ?, fence = fence + 1 WHERE backend = ? AND lane = ? AND fence = ?
      AND EXISTS (SELECT 1 FROM ${t.workers} WHERE id = ? AND lease_until > ${NOW})
    RETURNING ${LANE}`
  return (db: Connection, workerId: string, lanes: readonly Lane[]): readonly Lane[] =>
    lanes.flatMap(({ backend, lane, fence }) => db.all(sql, workerId, backend, lane, fence, workerId)).map(toLane)
}
