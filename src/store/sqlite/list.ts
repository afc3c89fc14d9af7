import { type OutboxEventColumns, sqlName } from '../../record/columns.ts'
import type { Query } from '../admin-store.ts'
import { allOf } from './condition.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { columnReader, selectList } from './values.ts'

/** Rows that match, in order. The statement varies with the query; the values never stand in its text. */
export function list(t: Tables) {
  return (db: Connection, query: Query): readonly Partial<OutboxEventColumns>[] => {
    const where = allOf(t, query.where)
    const direction = (descending: boolean) => (descending ? 'DESC NULLS FIRST' : 'ASC NULLS LAST')
    const order = [...query.order, { column: 'id' as const, descending: query.order.at(-1)?.descending ?? false }]
    const sql = `
      SELECT ${selectList(query.columns)} FROM ${t.events} WHERE ${where.sql}
      ORDER BY ${order.map((by) => `${sqlName(by.column)} ${direction(by.descending)}`).join(', ')}
      LIMIT ? OFFSET ?`
    const rows = db.all(sql, ...where.values, query.limit ?? -1, query.offset)
    return rows.map(columnReader(query.columns))
  }
}
