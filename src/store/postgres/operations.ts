import type { OperationMove } from '../admin-store.ts'
import { auditOutcomeOf, type OperationStep, type OperationStore, operationOf } from '../operation-store.ts'
import { beginAudit } from './audit.ts'
import type { Client, Queries } from './client.ts'
import type { Tables } from './tables.ts'
import { dateOf } from './values.ts'

const COLUMNS = `o.id, o.kind, o.who, o.reason, o.filter, o.conditions, o.params, o.rate, o.state,
  date_part('epoch', o.began_at) * 1000 AS began_at, date_part('epoch', o.ended_at) * 1000 AS ended_at, o.matched, o.moved,
  o.left_alone, o.position, o.audit, o.error`

const later = (parameter: string): string => `clock_timestamp() + ${parameter}::float8 * interval '1 millisecond'`

/** Writes a step of an operation down. */
export function advance(t: Tables) {
  const text = `
UPDATE ${t.operations} SET moved = moved + $7::bigint, left_alone = left_alone + $3::bigint,
  position = coalesce($4::uuid, position), next_at = ${later('$5')}, lease_until = ${later('($5::float8 + $6::float8)')}
WHERE id = $1::bigint AND owner = $2::uuid AND state = 'running' RETURNING id`
  return async (on: Queries, id: number, owner: string, step: OperationStep): Promise<boolean> => {
    const { moved, leftAlone, position, pause, lease } = step
    return (await on.query(text, [id, owner, leftAlone, position, pause, lease, moved])).length === 1
  }
}

/** Locks an operation for a step. False: it is not its owner's any more, not running, or not where the step begins. */
export function isStepDue(t: Tables) {
  const text = `
SELECT o.id FROM ${t.operations} AS o
WHERE o.id = $1::bigint AND o.owner = $2::uuid AND o.state = 'running' AND o.position IS NOT DISTINCT FROM $3::uuid
FOR UPDATE`
  return async (on: Queries, { id, owner, after }: OperationMove): Promise<boolean> =>
    (await on.query(text, [id, owner, after])).length === 1
}

/** Operations in the background. Each call is one conditional write of one row, and of its entry in the audit. */
export function operations(client: Client, t: Tables): OperationStore {
  const plain = (text: string): string => text.replaceAll('\0', '')
  const date = (value: unknown): Date => dateOf(Number(value))
  const advanceOn = advance(t)
  const beginOn = beginAudit(t)
  return {
    add({ kind, who, reason, filter, conditions, params, rate, matched }, entry) {
      const text = `
INSERT INTO ${t.operations} (kind, who, reason, filter, conditions, params, rate, matched, state)
VALUES ($1, $2, $3, $4, $5, $6, $7::float8, $8::bigint, 'running') RETURNING id`
      const values = [kind, plain(who), plain(reason), plain(filter), plain(conditions), plain(params), rate, matched]
      return client.transaction(async (tx) => {
        const id = Number((await tx.query(text, values))[0]?.['id'])
        const audit = await beginOn(tx, { ...entry, operation: id })
        await tx.query(`UPDATE ${t.operations} SET audit = $2::bigint WHERE id = $1::bigint`, [id, audit])
        return id
      })
    },
    async list({ id = null, before, limit }) {
      const text = `
SELECT ${COLUMNS} FROM ${t.operations} AS o
WHERE ($1::bigint IS NULL OR o.id = $1::bigint) AND ($2::bigint IS NULL OR o.id < $2::bigint)
ORDER BY o.id DESC LIMIT $3::bigint`
      return (await client.query(text, [id, before, limit])).map((row) => operationOf(row, date, String))
    },
    async take(owner, lease) {
      const text = `
UPDATE ${t.operations} AS o SET owner = $1::uuid, lease_until = ${later('$2')}
WHERE o.id = (
  SELECT f.id FROM ${t.operations} AS f
  WHERE f.state = 'running' AND (f.owner IS NULL OR f.owner = $1::uuid OR f.lease_until <= clock_timestamp())
    AND (f.next_at IS NULL OR f.next_at <= clock_timestamp())
  ORDER BY f.id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING ${COLUMNS}`
      const [row] = await client.query(text, [owner, lease])
      return row && operationOf(row, date, String)
    },
    advance: (id, owner, step) => advanceOn(client, id, owner, step),
    async change(id, from, to, error) {
      const text = `
WITH changed AS (
  UPDATE ${t.operations} SET state = $3::text, error = $4::text, owner = NULL, lease_until = NULL,
    ended_at = CASE WHEN $5::text IS NOT NULL THEN clock_timestamp() END
  WHERE id = $1::bigint AND state = ANY ($2::text[]) RETURNING id, audit, moved, left_alone
), told AS (
  UPDATE ${t.audit} AS a SET outcome = $5::text, error = $4::text, ended_at = clock_timestamp(),
    counts = '{"moved":' || c.moved || ',"leftAlone":' || c.left_alone || '}'
  FROM changed AS c WHERE a.id = c.audit AND $5::text IS NOT NULL
)
SELECT id FROM changed`
      const values = [id, from, to, error === undefined ? null : plain(error), auditOutcomeOf(to) ?? null]
      return (await client.query(text, values)).length === 1
    },
  }
}
