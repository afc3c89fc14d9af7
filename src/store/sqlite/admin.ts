import { type OutboxEventColumns, sqlName } from '../../record/columns.ts'
import type { AdminStore, Condition, Query, Walk, Walked } from '../admin-store.ts'
import { FEW, narrowIn, statusesOf } from '../narrow.ts'
import { fromSqlId, toSqlId } from '../values.ts'
import { behind } from './behind.ts'
import { blockedHeads } from './blocked-heads.ts'
import { allOf, rowsOf } from './condition.ts'
import type { Connection } from './connection.ts'
import type { Database } from './database.ts'
import { look } from './look.ts'
import { hold, lift, move } from './move.ts'
import type { Tables } from './tables.ts'
import { selectList, tupleReader } from './values.ts'

/** What operators and `broadcaster.events` need. `notify` wakes listeners of this process. */
export function admin(database: Database, t: Tables, notify: () => void): AdminStore {
  const run = {
    list: list(t),
    count: count(t),
    walk: walk(t),
    hold: hold(t),
    move: move(t),
    lift: lift(t),
    heads: blockedHeads(t),
    look: look(t),
    waiting: behind(t),
  }
  return {
    list: (query) => database.read((db) => run.list(db, query)),
    count: (where, limit) => database.read((db) => run.count(db, where, limit)),
    walk: (wanted) => database.read((db) => run.walk(db, wanted)),
    async hold(ids, duration) {
      const holds = await database.write((db) => run.hold(db, ids, duration))
      if (holds.length > 0) notify()
      return holds
    },
    async move(ids, wanted, holds, terms) {
      const report = await database.write((db) => run.move(db, ids, wanted, holds, terms))
      if (report.moved.length > 0) notify()
      return report
    },
    async lift(holds) {
      if (holds.length === 0) return
      await database.write((db) => run.lift(db, holds))
      notify()
    },
    waiting: (keys, rows) => database.read((db) => run.waiting(db, keys, rows)),
    blockedHeads: (query) => database.read((db) => run.heads(db, query)),
    look: () => database.read(run.look),
  }
}

/** Rows that match, in order. The statement varies with the query; values are never in its text. */
export function list(t: Tables) {
  return (db: Connection, query: Query): readonly Partial<OutboxEventColumns>[] => {
    const where = allOf(t, query.where)
    const direction = (descending: boolean) => (descending ? 'DESC NULLS FIRST' : 'ASC NULLS LAST')
    const order = [...query.order, { column: 'id' as const, descending: query.order.at(-1)?.descending ?? false }]
    const sql = `
      SELECT ${selectList(query.columns)} FROM ${fewRows(db, t, query) ?? t.events} WHERE ${where.sql}
      ORDER BY ${order.map((by) => `${sqlName(by.column)} ${direction(by.descending)}`).join(', ')}
      LIMIT ? OFFSET ?`
    const rows = db.tuples(sql, ...where.values, query.limit ?? -1, query.offset)
    return rows.map(tupleReader(query.columns))
  }
}

/** The rows among which a list by id is, if they are few: LIMIT keeps SQLite from looking for them in the order of ids. */
function fewRows(db: Connection, t: Tables, query: Query): string | undefined {
  const statuses = narrowIn(query)?.slice(0, 1).flatMap(statusesOf) ?? []
  if (statuses.length === 0) return undefined
  const rows = rowsOf(t, statuses)
  const counted = db.get(`SELECT count(*) AS n FROM (SELECT 1 FROM (${rows}) LIMIT ?)`, FEW + 1)?.['n']
  return Number(counted) > FEW ? undefined : `(SELECT * FROM (${rows}) LIMIT -1)`
}

function count(t: Tables) {
  return (db: Connection, conditions: readonly Condition[], limit?: number): number => {
    const where = allOf(t, conditions)
    const from = `FROM ${t.events} WHERE ${where.sql}`
    const some = limit === undefined ? from : `FROM (SELECT 1 ${from} LIMIT ?)`
    const values = limit === undefined ? where.values : [...where.values, limit]
    return Number(db.get(`SELECT count(*) AS n ${some}`, ...values)?.['n'])
  }
}

/** Along the index of ids: an inner query with a limit is never merged into the outer one. */
function walk(t: Tables) {
  const lastSql = `SELECT id FROM ${t.events} WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?`
  return (db: Connection, { where: conditions, after, rows, limit }: Walk): Walked => {
    const where = allOf(t, conditions)
    const from = after === null ? '' : toSqlId(after)
    const last = db.get(lastSql, from, rows - 1)
    const end = last === undefined ? null : String(last['id'])
    const sql = `
      SELECT id FROM (SELECT * FROM ${t.events} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?)
      WHERE ${where.sql} ORDER BY id LIMIT ?`
    const found = db.all(sql, from, end ?? 'g', 2 * rows, ...where.values, limit)
    const ids = found.map((row) => fromSqlId(row['id']))
    return { ids, next: ids.length === limit ? (ids.at(-1) ?? null) : end && fromSqlId(end) }
  }
}
