import type { Lane } from '../coordination-store.ts'
import type { Connection } from './connection.ts'
import { LANE, toLane } from './survey.ts'
import type { Tables } from './tables.ts'
import { NOW } from './values.ts'

/** Answers holds on lanes that are still ours, under a new fence; ends a hold whose time is over. */
export function quiet(t: Tables) {
  const sql = `
    UPDATE ${t.lanes} SET quiet_for = hold, fence = fence + 1,
      hold_until = CASE WHEN hold_until > ${NOW} THEN hold_until END
    WHERE backend = ? AND lane = ? AND owner = ? AND fence = ?
    RETURNING ${LANE}`
  return (db: Connection, workerId: string, lanes: readonly Lane[]): readonly Lane[] =>
    lanes.flatMap(({ backend, lane, fence }) => db.all(sql, backend, lane, workerId, fence)).map(toLane)
}
