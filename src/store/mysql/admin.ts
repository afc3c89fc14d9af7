import type { OutboxEventColumns } from '../../record/columns.ts'
import type { AdminStore, Condition, Query } from '../admin-store.ts'
import { rowReader } from '../rows.ts'
import { fromSqlId, toSqlId } from '../values.ts'
import { behind } from './behind.ts'
import { blockedHeads } from './blocked-heads.ts'
import type { Client } from './client.ts'
import { allOf, sortExpression } from './condition.ts'
import { look } from './look.ts'
import { hold, lift, move } from './move.ts'
import { join, Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { readersOf, selectList } from './values.ts'

/** What operators and `broadcaster.events` need. */
export function admin(client: Client, t: Tables): AdminStore {
  return {
    /** Lists events for people. Ordered by id it pages along the primary key. */
    async list(query: Query): Promise<readonly Partial<OutboxEventColumns>[]> {
      const last = query.order.at(-1)
      const by =
        last?.column === 'id'
          ? query.order
          : [...query.order, { column: 'id' as const, descending: last?.descending ?? false }]
      // Nulls sort first by default, and must sort last.
      const order = by.flatMap(({ column, descending }) =>
        sortExpression(column).map((expression) => (descending ? sql`${expression} DESC` : expression)),
      )
      // A list without columns still has rows.
      const columns = query.columns.length > 0 ? selectList(query.columns, 'raw') : sql`1 AS one`
      const limit = query.limit === null ? NO_LIMIT : sql`${query.limit}`
      const rows = await client.query(sql`
SELECT ${columns}
FROM ${t.events} AS e
WHERE ${allOf(t, query.where)}
ORDER BY ${join(order, ', ')}
LIMIT ${limit} OFFSET ${query.offset}`)
      return rows.map(rowReader(query.columns, readersOf('raw')))
    },
    /** Counts exactly: without a condition that an index serves, it reads the whole table. */
    async count(where: readonly Condition[], limit?: number): Promise<number> {
      const from = sql`FROM ${t.events} AS e WHERE ${allOf(t, where)}`
      const [row] = await client.query(
        limit === undefined
          ? sql`SELECT COUNT(*) AS count ${from}`
          : sql`SELECT COUNT(*) AS count FROM (SELECT 1 ${from} LIMIT ${limit}) AS some`,
      )
      return Number(row?.['count'] ?? 0)
    },
    /** Along the primary key: an inner query with a limit is never merged into the outer one. */
    async walk({ where, after, rows, limit }) {
      const behind = (name: string): Sql => (after === null ? sql`TRUE` : sql`${new Sql(name)} > ${toSqlId(after)}`)
      const [last] = await client.query(sql`
SELECT id FROM ${t.events} FORCE INDEX (PRIMARY) WHERE ${behind('id')} ORDER BY id LIMIT 1 OFFSET ${rows - 1}`)
      const end = last === undefined ? null : String(last['id'])
      const found = await client.query(sql`
SELECT e.id FROM (
  SELECT w.* FROM ${t.events} AS w FORCE INDEX (PRIMARY)
  WHERE ${behind('w.id')} AND ${end === null ? sql`TRUE` : sql`w.id <= ${end}`} ORDER BY w.id LIMIT ${2 * rows}) AS e
WHERE ${allOf(t, where)} ORDER BY e.id LIMIT ${limit}`)
      const ids = found.map((row) => fromSqlId(row['id']))
      return { ids, next: ids.length === limit ? (ids.at(-1) ?? null) : end && fromSqlId(end) }
    },
    hold: hold(client, t),
    move: move(client, t),
    lift: (holds) => lift(client, t, holds),
    waiting: behind(client, t),
    blockedHeads: blockedHeads(client, t),
    look: look(client, t),
  }
}

/** "All" where there is an offset: MySQL has no keyword for it. */
const NO_LIMIT = sql`18446744073709551615`
