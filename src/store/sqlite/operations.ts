import type { OperationMove } from '../admin-store.ts'
import { auditOutcomeOf, type OperationStep, type OperationStore, operationOf } from '../operation-store.ts'
import { fromSqlDate, fromSqlId, toSqlId } from '../values.ts'
import { beginAudit } from './audit.ts'
import type { Connection } from './connection.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** Records a step of an operation. */
export function advance(t: Tables) {
  const sql = `
    UPDATE ${t.operations} SET moved = moved + ?, left_alone = left_alone + ?, position = coalesce(?, position),
      next_at = ${nowPlus('?')}, lease_until = ${nowPlus('?')}
    WHERE id = ? AND owner = ? AND state = 'running'`
  return (db: Connection, id: number, owner: string, step: OperationStep): boolean => {
    const { moved, leftAlone, position, pause, lease } = step
    const at = position === null ? null : toSqlId(position)
    return db.run(sql, moved, leftAlone, at, pause / 1_000, (pause + lease) / 1_000, id, owner) === 1
  }
}

/** False: it is no longer its owner's, not running, or not where the step begins. */
export function isStepDue(t: Tables) {
  const sql = `SELECT 1 FROM ${t.operations} WHERE id = ? AND owner = ? AND state = 'running' AND position IS ?`
  return (db: Connection, { id, owner, after }: OperationMove): boolean =>
    db.get(sql, id, owner, after === null ? null : toSqlId(after)) !== undefined
}

/** Background operations. */
export function operations(database: Database, t: Tables): OperationStore {
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
  const begin = beginAudit(t)
  const step = advance(t)
  const changeSql = `
    UPDATE ${t.operations} SET state = ?, error = ?, owner = NULL, lease_until = NULL,
      ended_at = CASE WHEN ? IN ('done', 'cancelled', 'failed') THEN ${NOW} END
    WHERE id = ? AND state IN (SELECT value FROM json_each(?))`
  const endAuditSql = `
    UPDATE ${t.audit} SET outcome = ?, error = ?, ended_at = ${NOW},
      counts = (SELECT '{"moved":' || moved || ',"leftAlone":' || left_alone || '}' FROM ${t.operations} WHERE id = ?)
    WHERE id = (SELECT audit FROM ${t.operations} WHERE id = ?)`
  return {
    add: ({ kind, who, reason, filter, conditions, params, rate, matched }, entry) =>
      database.write((db) => {
        const values = [kind, who, reason, filter, conditions, params, rate, matched]
        const id = Number(db.all(addSql, ...values)[0]?.['id'])
        db.run(`UPDATE ${t.operations} SET audit = ? WHERE id = ?`, begin(db, { ...entry, operation: id }), id)
        return id
      }),
    async list({ id = null, before, limit }) {
      const rows = await database.read((db) => db.all(listSql, id, id, before, before, limit))
      return rows.map((row) => operationOf(row, fromSqlDate, fromSqlId))
    },
    async take(owner, lease) {
      // Most calls find nothing, and need no write lock.
      const runningSql = `SELECT 1 FROM ${t.operations} WHERE state = 'running' LIMIT 1`
      if ((await database.read((db) => db.get(runningSql))) === undefined) return undefined
      const [row] = await database.write((db) => db.all(takeSql, owner, lease / 1_000, owner))
      return row && operationOf(row, fromSqlDate, fromSqlId)
    },
    advance: (id, owner, taken) => database.write((db) => step(db, id, owner, taken)),
    change: (id, from, to, given) =>
      database.write((db) => {
        const error = given ?? null
        if (db.run(changeSql, to, error, to, id, JSON.stringify(from)) !== 1) return false
        const outcome = auditOutcomeOf(to)
        if (outcome !== undefined) db.run(endAuditSql, outcome, error, id, id)
        return true
      }),
  }
}
