import { type AuditStore, auditEntryOf, type NewAuditEntry, TARGETS_READ } from '../audit-store.ts'
import { fromSqlDate } from '../values.ts'
import type { Connection } from './connection.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'
import { forget, movedUnder } from './undo.ts'
import { NOW, nowPlus } from './values.ts'

/** Records that an action begins. Returns its number. */
export function beginAudit(t: Tables) {
  const sql = `
    INSERT INTO ${t.audit} (at, who, what, target, reason, operation, outcome, counts)
    VALUES (${NOW}, ?, ?, ?, ?, ?, 'running', '{}') RETURNING id`
  return (db: Connection, { who, what, target, reason, operation }: NewAuditEntry): number =>
    Number(db.all(sql, who, what, target, reason, operation)[0]?.['id'])
}

/** What operators did. */
export function audit(database: Database, t: Tables): AuditStore {
  const begin = beginAudit(t)
  const endSql = `UPDATE ${t.audit} SET outcome = ?, counts = ?, error = ?, ended_at = ${NOW} WHERE id = ?`
  const listSql = `
    SELECT * FROM ${t.audit}
    WHERE (? IS NULL OR id < ?) AND (? IS NULL OR who = ?) AND (? IS NULL OR what = ?)
      AND (? IS NULL OR operation = ?)
      AND (? IS NULL OR (instr(target, ?) > 0 AND id > (SELECT max(id) FROM ${t.audit}) - ${TARGETS_READ}))
    ORDER BY id DESC LIMIT ?`
  const pruneSql = `
    DELETE FROM ${t.audit} WHERE at <= ${nowPlus('-?')} AND id IN (SELECT id FROM ${t.audit} ORDER BY id LIMIT ?)`
  const forgetSql = forget(t)
  return {
    begin: (entry) => database.write((db) => begin(db, entry)),
    end: (id, { outcome, counts, error }) => database.write((db) => void db.run(endSql, outcome, counts, error, id)),
    async list({ who = null, what = null, operation = null, naming = null, before, limit }) {
      const twice = [before, who, what, operation, naming].flatMap((value) => [value, value])
      const rows = await database.read((db) => db.all(listSql, ...twice, limit))
      return rows.map((row) => auditEntryOf(row, fromSqlDate))
    },
    moved: movedUnder(database, t),
    prune: ({ age, limit }) =>
      database.write((db) => {
        const pruned = db.run(pruneSql, age / 1_000, limit)
        db.run(forgetSql, limit)
        return pruned
      }),
  }
}
