import { type OperationStore, operationOf } from '../operation-store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'
import { dateOf } from './values.ts'

const COLUMNS = `o.id, o.kind, o.who, o.reason, o.filter, o.conditions, o.params, o.rate, o.state,
  date_part('epoch', o.began_at) * 1000 AS began_at, date_part('epoch', o.ended_at) * 1000 AS ended_at, o.matched, o.moved,
  o.left_alone, o.position, o.audit, o.error`

/** Operations in the background. Each call is one conditional write of one row. */
export function operations(client: Client, t: Tables): OperationStore {
  const plain = (text: string): string => text.replaceAll('\0', '')
  const date = (value: unknown): Date => dateOf(Number(value))
  const later = (parameter: string): string => `clock_timestamp() + ${parameter}::float8 * interval '1 millisecond'`
  return {
    async add({ kind, who, reason, filter, conditions, params, rate, matched }) {
      const text = `
INSERT INTO ${t.operations} (kind, who, reason, filter, conditions, params, rate, matched, state)
VALUES ($1, $2, $3, $4, $5, $6, $7::float8, $8::bigint, 'running') RETURNING id`
      const values = [kind, plain(who), plain(reason), plain(filter), plain(conditions), plain(params), rate, matched]
      return Number((await client.query(text, values))[0]?.['id'])
    },
    async tie(id, audit) {
      await client.query(`UPDATE ${t.operations} SET audit = $2::bigint WHERE id = $1::bigint`, [id, audit])
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
    async advance(id, owner, { leftAlone, position, pause, lease }) {
      const text = `
UPDATE ${t.operations} SET left_alone = left_alone + $3::bigint, position = coalesce($4::uuid, position),
  next_at = ${later('$5')}, lease_until = ${later('($5::float8 + $6::float8)')}
WHERE id = $1::bigint AND owner = $2::uuid AND state = 'running' RETURNING id`
      return (await client.query(text, [id, owner, leftAlone, position, pause, lease])).length === 1
    },
    async change(id, from, to, error) {
      const text = `
UPDATE ${t.operations} SET state = $3::text, error = $4::text, owner = NULL, lease_until = NULL,
  ended_at = CASE WHEN $3::text IN ('done', 'cancelled', 'failed') THEN clock_timestamp() END
WHERE id = $1::bigint AND state = ANY ($2::text[]) RETURNING id`
      return (await client.query(text, [id, from, to, error === undefined ? null : plain(error)])).length === 1
    },
  }
}
