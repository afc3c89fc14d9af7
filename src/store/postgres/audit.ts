import { type AuditStore, auditEntryOf, type NewAuditEntry, TARGETS_READ } from '../audit-store.ts'
import type { Client, Queries } from './client.ts'
import type { Tables } from './tables.ts'
import { forget, movedUnder } from './undo.ts'
import { dateOf } from './values.ts'

const plain = (text: string): string => text.replaceAll('\0', '')

/** Writes down that something begins. Resolves with its number. */
export function beginAudit(t: Tables) {
  const text = `
INSERT INTO ${t.audit} (who, what, target, reason, operation, outcome, counts)
VALUES ($1, $2, $3, $4, $5::bigint, 'running', '{}') RETURNING id`
  return async (on: Queries, { who, what, target, reason, operation }: NewAuditEntry): Promise<number> => {
    const [row] = await on.query(text, [plain(who), what, plain(target), plain(reason), operation])
    return Number(row?.['id'])
  }
}

/** What operators did. */
export function audit(client: Client, t: Tables): AuditStore {
  const beginOn = beginAudit(t)
  const date = (value: unknown): Date => dateOf(Number(value))
  return {
    begin: (entry) => beginOn(client, entry),
    async end(id, { outcome, counts, error }) {
      const text = `
UPDATE ${t.audit} SET outcome = $2, counts = $3, error = $4, ended_at = clock_timestamp() WHERE id = $1::bigint`
      await client.query(text, [id, outcome, counts, error === null ? null : plain(error)])
    },
    async list({ who = null, what = null, operation = null, naming = null, before, limit }) {
      const text = `
SELECT a.id, date_part('epoch', a.at) * 1000 AS at, a.who, a.what, a.target, a.reason, a.operation, a.outcome, a.counts,
  date_part('epoch', a.ended_at) * 1000 AS ended_at, a.error
FROM ${t.audit} AS a
WHERE ($1::bigint IS NULL OR a.id < $1::bigint) AND ($2::text IS NULL OR a.who = $2::text)
  AND ($3::text IS NULL OR a.what = $3::text) AND ($4::bigint IS NULL OR a.operation = $4::bigint)
  AND ($5::text IS NULL OR (strpos(a.target, $5::text) > 0
    AND a.id > (SELECT max(m.id) FROM ${t.audit} AS m) - ${TARGETS_READ}))
ORDER BY a.id DESC LIMIT $6::bigint`
      const rows = await client.query(text, [before, who, what, operation, naming, limit])
      return rows.map((row) => auditEntryOf(row, date))
    },
    moved: movedUnder(client, t),
    async prune({ age, limit }) {
      const text = `
WITH deleted AS (
  DELETE FROM ${t.audit} WHERE id IN (SELECT a.id FROM ${t.audit} AS a ORDER BY a.id LIMIT $2::bigint)
    AND at <= statement_timestamp() - $1::float8 * interval '1 millisecond'
  RETURNING 1)
SELECT count(*) AS count FROM deleted`
      const [row] = await client.query(text, [age, limit])
      await client.query(forget(t), [limit])
      return Number(row?.['count'])
    },
  }
}
