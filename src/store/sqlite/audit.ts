import { type AuditStore, auditEntryOf, TARGETS_READ } from '../audit-store.ts'
import { fromSqlDate } from '../values.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** What operators did. */
export function audit(database: Database, t: Tables): AuditStore {
  const beginSql = `
    INSERT INTO ${t.audit} (at, who, what, target, reason, operation, outcome, counts)
    VALUES (${NOW}, ?, ?, ?, ?, ?, 'running', '{}') RETURNING id`
  const endSql = `UPDATE ${t.audit} SET outcome = ?, counts = ?, error = ?, ended_at = ${NOW} WHERE id = ?`
  const listSql = `
    SELECT * FROM ${t.audit}
    WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR who = ?2) AND (?3 IS NULL OR what = ?3)
      AND (?4 IS NULL OR operation = ?4)
      AND (?5 IS NULL OR (instr(target, ?5) > 0 AND id > (SELECT max(id) FROM ${t.audit}) - ${TARGETS_READ}))
    ORDER BY id DESC LIMIT ?6`
  const pruneSql = `
    DELETE FROM ${t.audit} WHERE at <= ${nowPlus('-?')} AND id IN (SELECT id FROM ${t.audit} ORDER BY id LIMIT ?)`
  const date = (value: unknown): Date => fromSqlDate(String(value))
  return {
    begin: ({ who, what, target, reason, operation }) =>
      database.write((db) => Number(db.all(beginSql, who, what, target, reason, operation)[0]?.['id'])),
    end: (id, { outcome, counts, error }) => database.write((db) => void db.run(endSql, outcome, counts, error, id)),
    async list({ who = null, what = null, operation = null, naming = null, before, limit }) {
      const rows = await database.read((db) => db.all(listSql, before, who, what, operation, naming, limit))
      return rows.map((row) => auditEntryOf(row, date))
    },
    prune: ({ age, limit }) => database.write((db) => db.run(pruneSql, age / 1_000, limit)),
  }
}
