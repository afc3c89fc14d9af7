import type { OutboxEventColumns } from '../../record/columns.ts'
import type { AdminStore, Condition, Query } from '../admin-store.ts'
import { rowReader } from '../rows.ts'
import type { Client } from './client.ts'
import { allOf, sortExpression } from './condition.ts'
import { look } from './look.ts'
import { hold, lift, move } from './move.ts'
import { join, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { readersOf, selectList } from './values.ts'

/** What operators and `broadcaster.events` need. */
export function admin(client: Client, t: Tables): AdminStore {
  return {
    /** Reads events for people. Ordered by id it pages along the primary key. */
    async list(query: Query): Promise<readonly Partial<OutboxEventColumns>[]> {
      const last = query.order.at(-1)
      const by =
        last?.column === 'id'
          ? query.order
          : [...query.order, { column: 'id' as const, descending: last?.descending ?? false }]
      // Nulls sort first by themselves, and they shall sort last.
      const order = by.flatMap(({ column, descending }) =>
        sortExpression(column).map((expression) => (descending ? sql`${expression} DESC` : expression)),
      )
      // A list of no columns is a list of rows all the same.
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
    async count(where: readonly Condition[]): Promise<number> {
      const [row] = await client.query(sql`SELECT COUNT(*) AS count FROM ${t.events} AS e WHERE ${allOf(t, where)}`)
      return Number(row?.['count'] ?? 0)
    },
    hold: hold(client, t),
    move: move(client, t),
    lift: (holds) => lift(client, t, holds),
    look: look(client, t),
  }
}

/** "All": MySQL has no word for it where there is an offset. */
const NO_LIMIT = sql`18446744073709551615`
