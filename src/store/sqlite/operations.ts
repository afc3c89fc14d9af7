import { type OperationStore, operationOf } from '../operation-store.ts'
import { fromSqlDate, fromSqlId, toSqlId } from '../values.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** Operations in the background. */
export function operations(database: Database, t: Tables): OperationStore {
  const date = (value: unknown): Date => fromSqlDate(String(value))
  const uuid = (value: unknown): string => fromSqlId(String(value))
  const addSql = `
    INSERT INTO ${t.operations} (kind, who, reason, filter, conditions, params, rate, matched, state, began_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', ${NOW}) RETURNING id`
  const listSql = `
    SELECT * FROM ${t.operations} WHERE (? IS NULL OR id = ?) AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?`
  const takeSql = `
    UPDATE ${t.operations} SET owner = ?, lease_until = ${nowPlus('?')} WHERE id = (
      SELECT id FROM ${t.operations}
      WHERE state = 'running' AND (owner IS NULL OR owner = ? OR lease_until <= ${NOW})
        AND (next_at IS NULL OR next_at <= ${NOW})
      ORDER BY id LIMIT 1)
    RETURNING *`
  const advanceSql = `
    UPDATE ${t.operations} SET left_alone = left_alone + ?, position = coalesce(?, position), next_at = ${nowPlus('?')},
      lease_until = ${nowPlus('?')}
    WHERE id = ? AND owner = ? AND state = 'running'`
  const changeSql = `
    UPDATE ${t.operations} SET state = ?, error = ?, owner = NULL, lease_until = NULL,
      ended_at = CASE WHEN ? IN ('done', 'cancelled', 'failed') THEN ${NOW} END
    WHERE id = ? AND state IN (SELECT value FROM json_each(?))`
  return {
    add: ({ kind, who, reason, filter, conditions, params, rate, matched }) =>
      database.write((db) => {
        const values = [kind, who, reason, filter, conditions, params, rate, matched]
        return Number(db.all(addSql, ...values)[0]?.['id'])
      }),
    tie: (id, audit) =>
      database.write((db) => void db.run(`UPDATE ${t.operations} SET audit = ? WHERE id = ?`, audit, id)),
    async list({ id = null, before, limit }) {
      const rows = await database.read((db) => db.all(listSql, id, id, before, before, limit))
      return rows.map((row) => operationOf(row, date, uuid))
    },
    async take(owner, lease) {
      // Most looks find nothing, and need no write lock.
      const runningSql = `SELECT 1 FROM ${t.operations} WHERE state = 'running' LIMIT 1`
      if ((await database.read((db) => db.get(runningSql))) === undefined) return undefined
      const [row] = await database.write((db) => db.all(takeSql, owner, lease / 1_000, owner))
      return row && operationOf(row, date, uuid)
    },
    advance: (id, owner, { leftAlone, position, pause, lease }) => {
      const at = position === null ? null : toSqlId(position)
      const values = [leftAlone, at, pause / 1_000, (pause + lease) / 1_000, id, owner]
      return database.write((db) => db.run(advanceSql, ...values) === 1)
    },
    change: (id, from, to, error) =>
      database.write((db) => db.run(changeSql, to, error ?? null, to, id, JSON.stringify(from)) === 1),
  }
}
