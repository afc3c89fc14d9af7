import type { OutboxEventColumns } from '../../record/columns.ts'
import type { Query } from '../admin-store.ts'
import type { Client } from './client.ts'
import { allOf, sortExpression } from './condition.ts'
import { rowReader, selectList } from './row.ts'
import { join, sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** "All": MySQL has no word for it where there is an offset. */
const NO_LIMIT = sql`18446744073709551615`

/** Reads events for people. Ordered by id it pages along the primary key. */
export function list(client: Client, t: Tables) {
  return async (query: Query): Promise<readonly Partial<OutboxEventColumns>[]> => {
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
    const columns = query.columns.length > 0 ? selectList(query.columns, (column) => column, 'raw') : sql`1 AS one`
    const limit = query.limit === null ? NO_LIMIT : sql`${query.limit}`
    const rows = await client.query(sql`
SELECT ${columns}
FROM ${t.events} AS e
WHERE ${allOf(t, query.where)}
ORDER BY ${join(order, ', ')}
LIMIT ${limit} OFFSET ${query.offset}`)
    return rows.map(rowReader(query.columns, (column) => column))
  }
}
