import { SEND_COLUMNS } from '../../record/columns.ts'
import type { FetchedRow, LaneCursor } from '../relay-store.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { readColumns, selectList } from './values.ts'

/**
 * Due, unparked, unsettled rows. SQLite has no LATERAL: one range scan of the hot index for each name and lane, about
 * two microseconds when it is empty. The index is named, so that no statistics, fresh or stale, can change the plan.
 */
export function fetch(t: Tables) {
  const sql = `
    SELECT ${selectList(SEND_COLUMNS)} FROM ${t.events} INDEXED BY ${t.index.hot}
    WHERE publisher_backend = ? AND lane = ? AND seq > ?
      AND available_at IS NULL AND status IN ('pending', 'retry', 'processing')
    ORDER BY seq LIMIT ?`
  return (db: Connection, names: readonly string[], lanes: readonly LaneCursor[]): readonly FetchedRow[] => {
    const rows = lanes.flatMap(({ lane, after, limit }) =>
      names
        .flatMap((name) => db.all(sql, name, lane, after, limit))
        .sort(bySeq)
        .slice(0, limit),
    )
    return rows.sort(bySeq).map((row) => readColumns(row, SEND_COLUMNS) as FetchedRow)
  }
}

function bySeq(a: { readonly [column: string]: unknown }, b: { readonly [column: string]: unknown }): number {
  return Number(a['seq']) - Number(b['seq'])
}
