import { type AuditStore, auditEntryOf, type NewAuditEntry, TARGETS_READ } from '../audit-store.ts'
import { fromSqlDate } from '../values.ts'
import type { Client, RawRow, Runs } from './client.ts'
import { join, Sql, sql, utf8 } from './sql.ts'
import type { Tables } from './tables.ts'
import { forget, movedUnder } from './undo.ts'
import { NOW, nowPlus } from './values.ts'

/** Records, in a transaction, that an action begins. Resolves with its number. */
export async function beginAudit(
  tx: Runs,
  t: Tables,
  { who, what, target, reason, operation }: NewAuditEntry,
): Promise<number> {
  await tx.run(sql`
INSERT INTO ${t.audit} (at, who, what, target, reason, operation, outcome, counts)
VALUES (${NOW}, ${who}, ${what}, ${target}, ${reason}, ${operation}, 'running', '{}')`)
  return lastInserted(await tx.query(sql`SELECT LAST_INSERT_ID() AS id`))
}

/** What operators did. */
export function audit(client: Client, t: Tables): AuditStore {
  const text = (name: string): Sql => sql`${utf8(new Sql(name))} AS ${new Sql(name)}`
  return {
    begin: (entry) => client.transaction((tx) => beginAudit(tx, t, entry)),
    async end(id, { outcome, counts, error }) {
      await client.run(sql`
UPDATE ${t.audit} SET outcome = ${outcome}, counts = ${counts}, error = ${error}, ended_at = ${NOW} WHERE id = ${id}`)
    },
    async list({ who, what, operation, naming, before, limit }) {
      const where = [
        before === null ? [] : [sql`id < ${before}`],
        who === undefined ? [] : [sql`who = ${who}`],
        what === undefined ? [] : [sql`what = ${what}`],
        operation === undefined ? [] : [sql`operation = ${operation}`],
        naming === undefined
          ? []
          : [sql`LOCATE(${naming}, target) > 0 AND id > (SELECT MAX(m.id) FROM ${t.audit} AS m) - ${TARGETS_READ}`],
      ].flat()
      const rows = await client.query(sql`
SELECT id, CAST(at AS CHAR) AS at, ${text('who')}, ${text('what')}, ${text('target')}, ${text('reason')}, operation,
  ${text('outcome')}, ${text('counts')}, CAST(ended_at AS CHAR) AS ended_at, ${text('error')}
FROM ${t.audit} ${where.length === 0 ? new Sql('') : sql`WHERE ${join(where, ' AND ')}`}
ORDER BY id DESC LIMIT ${limit}`)
      return rows.map((row) => auditEntryOf(row, fromSqlDate))
    },
    moved: movedUnder(client, t),
    /** A DELETE may not read its own table, except through a derived table. */
    async prune({ age, limit }) {
      const pruned = await client.run(sql`
DELETE FROM ${t.audit} WHERE at <= ${nowPlus(-age)}
  AND id IN (SELECT oldest.id FROM (SELECT id FROM ${t.audit} ORDER BY id LIMIT ${limit}) AS oldest)`)
      await client.run(forget(t, limit))
      return pruned
    },
  }
}

/** The number given to the session's last insert. */
export function lastInserted([row]: readonly RawRow[]): number {
  return Number(row?.['id'])
}
