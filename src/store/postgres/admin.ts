import type { OutboxEventColumns } from '../../record/columns.ts'
import type { AdminStore, Condition, Query } from '../admin-store.ts'
import { FEW, narrowIn } from '../narrow.ts'
import { rowReader } from '../rows.ts'
import { behind } from './behind.ts'
import { blockedHeads } from './blocked-heads.ts'
import type { Client } from './client.ts'
import { compileConditions, Parameters, sortExpression } from './condition.ts'
import { look } from './look.ts'
import { hold, lift, move } from './move.ts'
import type { Tables } from './tables.ts'
import { READERS, selectList } from './values.ts'

/** What operators and `broadcaster.events` need. */
export function admin(client: Client, t: Tables): AdminStore {
  const count = async (where: readonly Condition[], limit?: number): Promise<number> => {
    const parameters = new Parameters()
    const from = `FROM ${t.events} AS e WHERE ${compileConditions(where, t, parameters)}`
    const text =
      limit === undefined
        ? `SELECT count(*) AS count ${from}`
        : `SELECT count(*) AS count FROM (SELECT ${from} LIMIT ${parameters.add(limit)}::bigint) AS counted`
    const [row] = await client.query(text, parameters.values)
    return Number(row?.['count'] ?? 0)
  }
  return {
    /** Reads events for people. Ordered by id it pages along the primary key, unless few can match: OFFSET 0 keeps it from that. */
    async list(query: Query): Promise<readonly Partial<OutboxEventColumns>[]> {
      const parameters = new Parameters()
      const where = compileConditions(query.where, t, parameters)
      const last = query.order.at(-1)
      const order = query.order.map(({ column, descending }) => sortExpression(column) + (descending ? ' DESC' : ''))
      if (last?.column !== 'id') order.push(last?.descending ? 'e.id DESC' : 'e.id')
      // A list without columns is still a list of rows.
      const columns = query.columns.length > 0 ? selectList(query.columns) : '1 AS "one"'
      const narrow = narrowIn(query)
      const areFew = narrow !== undefined && (await count(narrow, FEW + 1)) <= FEW
      const from = areFew
        ? `(SELECT * FROM ${t.events} AS e WHERE ${where} OFFSET 0) AS e`
        : `${t.events} AS e WHERE ${where}`
      const text = `
SELECT ${columns}
FROM ${from}
ORDER BY ${order.join(', ')}
LIMIT ${parameters.add(query.limit)}::bigint
OFFSET ${parameters.add(query.offset)}::bigint`
      const rows = await client.query(text, parameters.values)
      return query.columns.length > 0 ? rows.map(rowReader(query.columns, READERS)) : rows.map(() => ({}))
    },
    /** Counts exactly: without a condition that an index serves, it reads the whole table. */
    count,
    /** Along the primary key: the inner query keeps the planner from any other index, however few rows match. */
    async walk({ where, after, rows, limit }) {
      const last = await client.query(
        `SELECT e.id FROM ${t.events} AS e WHERE $1::uuid IS NULL OR e.id > $1::uuid ORDER BY e.id OFFSET $2::bigint LIMIT 1`,
        [after, rows - 1],
      )
      const end = last[0]?.['id'] ?? null
      const parameters = new Parameters()
      const [from, to] = [parameters.add(after), parameters.add(end)]
      const text = `
SELECT e.id FROM (
  SELECT * FROM ${t.events} AS w
  WHERE (${from}::uuid IS NULL OR w.id > ${from}::uuid) AND (${to}::uuid IS NULL OR w.id <= ${to}::uuid)
  ORDER BY w.id LIMIT ${parameters.add(2 * rows)}::bigint) AS e
WHERE ${compileConditions(where, t, parameters)} ORDER BY e.id LIMIT ${parameters.add(limit)}::bigint`
      const ids = (await client.query(text, parameters.values)).map(({ id }) => id ?? '')
      return { ids, next: ids.length === limit ? (ids.at(-1) ?? null) : end }
    },
    hold: hold(client, t),
    move: move(client, t),
    lift: (holds) => lift(t)(client, holds),
    waiting: behind(client, t),
    blockedHeads: blockedHeads(client, t),
    look: look(client, t),
  }
}
