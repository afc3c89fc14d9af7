import type { OperationMove } from '../admin-store.ts'
import { auditOutcomeOf, type OperationStep, type OperationStore, operationOf } from '../operation-store.ts'
import { fromSqlDate, fromSqlId, toSqlId } from '../values.ts'
import { beginAudit, lastInserted } from './audit.ts'
import type { Client, Runs } from './client.ts'
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

/** Records a step of an operation. */
export async function advance(
  runs: Pick<Runs, 'run'>,
  t: Tables,
  [id, owner]: readonly [number, string],
  { moved, leftAlone, position, pause, lease }: OperationStep,
): Promise<boolean> {
  const changed = await runs.run(sql`
UPDATE ${t.operations} SET moved = moved + ${moved}, left_alone = left_alone + ${leftAlone},
  position = COALESCE(${position === null ? null : toSqlId(position)}, position),
  next_at = ${nowPlus(pause)}, lease_until = ${nowPlus(pause + lease)}
WHERE id = ${id} AND owner = ${owner} AND state = 'running'`)
  return changed === 1
}

/** Locks an operation for a step. False: it is no longer its owner's, not running, or not where the step begins. */
export async function isStepDue(tx: Runs, t: Tables, { id, owner, after }: OperationMove): Promise<boolean> {
  const rows = await tx.query(sql`
SELECT id FROM ${t.operations}
WHERE id = ${id} AND owner = ${owner} AND state = 'running' AND position <=> ${after === null ? null : toSqlId(after)}
FOR UPDATE`)
  return rows.length === 1
}

/** Background operations. Each call is one conditional write of one row, and of its audit entry. */
export function operations(client: Client, t: Tables): OperationStore {
  const changed = async (statement: Sql): Promise<boolean> => (await client.run(statement)) === 1
  return {
    add: ({ kind, who, reason, filter, conditions, params, rate, matched }, entry) =>
      client.transaction(async (tx) => {
        await tx.run(sql`
INSERT INTO ${t.operations} (kind, who, reason, filter, conditions, params, rate, matched, state, began_at)
VALUES (${kind}, ${who}, ${reason}, ${filter}, ${conditions}, ${params}, ${rate}, ${matched}, 'running', ${NOW})`)
        const id = lastInserted(await tx.query(sql`SELECT LAST_INSERT_ID() AS id`))
        const audit = await beginAudit(tx, t, { ...entry, operation: id })
        await tx.run(sql`UPDATE ${t.operations} SET audit = ${audit} WHERE id = ${id}`)
        return id
      }),
    async list({ id, before, limit }) {
      const rows = await client.query(sql`
SELECT ${COLUMNS} FROM ${t.operations}
WHERE ${id === undefined ? sql`TRUE` : sql`id = ${id}`} AND ${before === null ? sql`TRUE` : sql`id < ${before}`}
ORDER BY id DESC LIMIT ${limit}`)
      return rows.map((row) => operationOf(row, fromSqlDate, fromSqlId))
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
      return row && operationOf(row, fromSqlDate, fromSqlId)
    },
    advance: (id, owner, step) => advance(client, t, [id, owner], step),
    change: (id, from, to, given) =>
      client.transaction(async (tx) => {
        const [outcome, error] = [auditOutcomeOf(to), given ?? null]
        const isChanged = await tx.run(sql`
UPDATE ${t.operations} SET state = ${to}, error = ${error}, owner = NULL, lease_until = NULL,
  ended_at = ${outcome === undefined ? null : NOW}
WHERE id = ${id} AND state IN (${from})`)
        if (isChanged !== 1) return false
        if (outcome === undefined) return true
        await tx.run(sql`
UPDATE ${t.audit} AS a JOIN ${t.operations} AS o ON o.audit = a.id
SET a.outcome = ${outcome}, a.error = ${error}, a.ended_at = ${NOW},
  a.counts = CONCAT('{"moved":', o.moved, ',"leftAlone":', o.left_alone, '}')
WHERE o.id = ${id}`)
        return true
      }),
  }
}
