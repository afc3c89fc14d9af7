import type { OutboxEventColumns } from '../../record/columns.ts'
import type { Query } from '../admin-store.ts'
import type { Client } from './client.ts'
import { compileConditions, Parameters, sortExpression } from './condition.ts'
import { decodeColumns, selectList } from './row.ts'
import type { Tables } from './tables.ts'

/** Reads events for people. Ordered by id it pages along the primary key. */
export function list(client: Client, t: Tables) {
  return async (query: Query): Promise<readonly Partial<OutboxEventColumns>[]> => {
    const parameters = new Parameters()
    const where = compileConditions(query.where, t, parameters)
    const last = query.order.at(-1)
    const order = query.order.map(({ column, descending }) => sortExpression(column) + (descending ? ' DESC' : ''))
    if (last?.column !== 'id') order.push(last?.descending ? 'e.id DESC' : 'e.id')
    // A list of no columns is a list of rows all the same.
    const columns = query.columns.length > 0 ? selectList(query.columns, (column) => column) : '1 AS "one"'
    const text = `
SELECT ${columns}
FROM ${t.events} AS e
WHERE ${where}
ORDER BY ${order.join(', ')}
LIMIT ${parameters.add(query.limit)}::bigint
OFFSET ${parameters.add(query.offset)}::bigint`
    const rows = await client.query(text, parameters.values)
    return query.columns.length > 0 ? rows.map(decodeColumns) : rows.map(() => ({}))
  }
}
