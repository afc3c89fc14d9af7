import { COLUMN_NAMES, type ColumnName, type NewOutboxEvent, type OutboxEventColumns } from '../../record/columns.ts'
import type { Row, Statement } from '../statement.ts'
import { identityOf } from './identity.ts'
import { rowReader, selectList } from './row.ts'
import type { Tables } from './tables.ts'
import { toSqlId } from './uuid.ts'

/** Libraries that turn snake_case into camelCase leave a name of lower-case letters alone. */
const aliasOf = (column: ColumnName): string => column.toLowerCase()

/**
 * Selects the stored row of an event that was left out by `insert`: the same identity, or else the same id. Without a
 * lock, which would take the gap beside an id that is not there, and keep other publishers out of it: this transaction
 * sees the row, since it did so before, or since `insert` has updated it.
 *
 * Two lookups and not one with OR: for that, MySQL merges no descending index, and reads the whole table.
 */
export function findDuplicate(t: Tables): (row: NewOutboxEvent) => Statement {
  const strings = [
    `SELECT ${selectList(COLUMN_NAMES, aliasOf, 'base64').text}
FROM (
  SELECT id FROM ${t.events.text} FORCE INDEX (PRIMARY) WHERE id = `,
    `
  UNION
  SELECT id FROM ${t.events.text} FORCE INDEX (${t.index.identity.text}) WHERE identity = UNHEX(`,
    `)) AS d
STRAIGHT_JOIN ${t.events.text} AS e FORCE INDEX (PRIMARY) ON e.id = d.id
ORDER BY e.event_id IS NULL, e.seq
LIMIT 1`,
  ]
  return (row) => ({ strings, values: [toSqlId(row.id), identityOf(row)] })
}

const read = rowReader(COLUMN_NAMES, aliasOf)

/** Reads the row that the statement returned, if any. */
export function found([row]: readonly Row[]): Partial<OutboxEventColumns> | undefined {
  return row && read(row)
}
