import { type OperationStore, operationOf } from '../operation-store.ts'
import { fromSqlDate, fromSqlId, toSqlId } from '../values.ts'
import { lastInserted } from './audit.ts'
import type { Client } from './client.ts'
import { Sql, sql, utf8 } from './sql.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

const TEXTS = ['kind', 'who', 'reason', 'filter', 'conditions', 'params', 'state', 'position', 'error']
const COLUMNS = new Sql(
  [
    ...TEXTS.map((name) => `${utf8(new Sql(name)).text} AS ${name}`),
    ...['began_at', 'ended_at'].map((name) => `CAST(${name} AS CHAR) AS ${name}`),
    'id, rate, matched, moved, left_alone, audit',
  ].join(', '),
)

/** Operations in the background. Each call is one conditional write of one row. */
export function operations(client: Client, t: Tables): OperationStore {
  const date = (value: unknown): Date => fromSqlDate(String(value))
  const uuid = (value: unknown): string => fromSqlId(String(value))
  const changed = async (statement: Sql): Promise<boolean> => (await client.run(statement)) === 1
  return {
    add: ({ kind, who, reason, filter, conditions, params, rate, matched }) =>
      client.transaction(async (tx) => {
        await tx.run(sql`
INSERT INTO ${t.operations} (kind, who, reason, filter, conditions, params, rate, matched, state, began_at)
VALUES (${kind}, ${who}, ${reason}, ${filter}, ${conditions}, ${params}, ${rate}, ${matched}, 'running', ${NOW})`)
        return lastInserted(await tx.query(sql`SELECT LAST_INSERT_ID() AS id`))
      }),
    async tie(id, audit) {
      await client.run(sql`UPDATE ${t.operations} SET audit = ${audit} WHERE id = ${id}`)
    },
    async list({ id, before, limit }) {
      const rows = await client.query(sql`
SELECT ${COLUMNS} FROM ${t.operations}
WHERE ${id === undefined ? sql`TRUE` : sql`id = ${id}`} AND ${before === null ? sql`TRUE` : sql`id < ${before}`}
ORDER BY id DESC LIMIT ${limit}`)
      return rows.map((row) => operationOf(row, date, uuid))
    },
    async take(owner, lease) {
      const free = sql`state = 'running' AND (owner IS NULL OR owner = ${owner} OR lease_until <= ${NOW})
  AND (next_at IS NULL OR next_at <= ${NOW})`
      const [found] = await client.query(sql`SELECT id FROM ${t.operations} WHERE ${free} ORDER BY id LIMIT 1`)
      if (found === undefined) return undefined
      const id = Number(found['id'])
      const isOurs = await changed(sql`
UPDATE ${t.operations} SET owner = ${owner}, lease_until = ${nowPlus(lease)} WHERE id = ${id} AND ${free}`)
      if (!isOurs) return undefined
      const [row] = await client.query(sql`SELECT ${COLUMNS} FROM ${t.operations} WHERE id = ${id}`)
      return row && operationOf(row, date, uuid)
    },
    advance: (id, owner, { leftAlone, position, pause, lease }) =>
      changed(sql`
UPDATE ${t.operations} SET left_alone = left_alone + ${leftAlone},
  position = COALESCE(${position === null ? null : toSqlId(position)}, position),
  next_at = ${nowPlus(pause)}, lease_until = ${nowPlus(pause + lease)}
WHERE id = ${id} AND owner = ${owner} AND state = 'running'`),
    change: (id, from, to, error) =>
      changed(sql`
UPDATE ${t.operations} SET state = ${to}, error = ${error ?? null}, owner = NULL, lease_until = NULL,
  ended_at = ${to === 'running' || to === 'paused' ? null : NOW}
WHERE id = ${id} AND state IN (${from})`),
  }
}
