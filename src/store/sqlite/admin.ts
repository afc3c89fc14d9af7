import { type OutboxEventColumns, sqlName } from '../../record/columns.ts'
import type { AdminStore, Condition, Query } from '../admin-store.ts'
import { allOf } from './condition.ts'
import type { Connection } from './connection.ts'
import type { Database } from './database.ts'
import { look } from './look.ts'
import { hold, lift, move } from './move.ts'
import type { Tables } from './tables.ts'
import { selectList, tupleReader } from './values.ts'

/** What operators and `broadcaster.events` need. `notify` wakes listeners of this process. */
export function admin(database: Database, t: Tables, notify: () => void): AdminStore {
  const run = { list: list(t), count: count(t), hold: hold(t), move: move(t), lift: lift(t), look: look(t) }
  return {
    list: (query) => database.read((db) => run.list(db, query)),
    count: (where) => database.read((db) => run.count(db, where)),
    async hold(ids, duration) {
      const holds = await database.write((db) => run.hold(db, ids, duration))
      if (holds.length > 0) notify()
      return holds
    },
    async move(ids, wanted, holds) {
      const report = await database.write((db) => run.move(db, ids, wanted, holds))
      if (report.moved.length > 0) notify()
      return report
    },
    async lift(holds) {
      if (holds.length === 0) return
      await database.write((db) => run.lift(db, holds))
      notify()
    },
    look: () => database.read(run.look),
  }
}

/** Rows that match, in order. The statement varies with the query; the values never stand in its text. */
function list(t: Tables) {
  return (db: Connection, query: Query): readonly Partial<OutboxEventColumns>[] => {
    const where = allOf(t, query.where)
    const direction = (descending: boolean) => (descending ? 'DESC NULLS FIRST' : 'ASC NULLS LAST')
    const order = [...query.order, { column: 'id' as const, descending: query.order.at(-1)?.descending ?? false }]
    const sql = `
      SELECT ${selectList(query.columns)} FROM ${t.events} WHERE ${where.sql}
      ORDER BY ${order.map((by) => `${sqlName(by.column)} ${direction(by.descending)}`).join(', ')}
      LIMIT ? OFFSET ?`
    const rows = db.tuples(sql, ...where.values, query.limit ?? -1, query.offset)
    return rows.map(tupleReader(query.columns))
  }
}

/** How many rows match. */
function count(t: Tables) {
  return (db: Connection, conditions: readonly Condition[]): number => {
    const where = allOf(t, conditions)
    return Number(db.get(`SELECT count(*) AS n FROM ${t.events} WHERE ${where.sql}`, ...where.values)?.['n'])
  }
}
