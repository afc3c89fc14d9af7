import { COLUMN_NAMES, type ColumnName, type NewOutboxEvent, type OutboxEventColumns } from '../../record/columns.ts'
import type { Row, Statement } from '../statement.ts'
import { decodeColumns, selectList } from './row.ts'
import type { Tables } from './tables.ts'

/** Libraries that turn snake_case into camelCase leave a name of lower-case letters alone. */
const aliasOf = (column: ColumnName): string => column.toLowerCase()

/** Selects the stored row of an event that was left out by `insert`: the same identity, or else the same id. */
export function findDuplicate(t: Tables): (row: NewOutboxEvent) => Statement {
  const strings = [
    `SELECT ${selectList(COLUMN_NAMES, aliasOf)}
FROM ${t.events} AS e
WHERE e.id = CAST(CAST(`,
    ` AS text) AS uuid)
  OR (e.source = CAST(`,
    ` AS text) AND e.event_id = CAST(`,
    ` AS text) AND e.publisher_backend = CAST(`,
    ` AS text))
ORDER BY e.event_id IS NULL, e.seq
LIMIT 1`,
  ]
  return (row) => ({ strings, values: [row.id, row.source, row.eventId, row.publisherBackend] })
}

/** Reads the row that the statement returned, if any. */
export function found(rows: readonly Row[]): Partial<OutboxEventColumns> | undefined {
  const [row] = rows
  if (row === undefined) return undefined
  return decodeColumns(Object.fromEntries(COLUMN_NAMES.map((column) => [column, row[aliasOf(column)]])))
}
