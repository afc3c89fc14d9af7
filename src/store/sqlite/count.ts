import type { Condition } from '../admin-store.ts'
import { allOf } from './condition.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'

/** How many rows match. */
export function count(t: Tables) {
  return (db: Connection, conditions: readonly Condition[]): number => {
    const where = allOf(t, conditions)
    return Number(db.get(`SELECT count(*) AS n FROM ${t.events} WHERE ${where.sql}`, ...where.values)?.['n'])
  }
}
