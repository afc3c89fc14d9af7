import { COLUMN_NAMES, type NewOutboxEvent, type OutboxEventColumns } from '../../record/columns.ts'
import type { Row, Statement } from '../statement.ts'
import { foreignReader, foreignSelectList } from './foreign-rows.ts'
import type { Tables } from './tables.ts'
import { toSqlId } from './values.ts'

const readRow = foreignReader(COLUMN_NAMES)

/** The stored row that made an insert leave this event out: the same id, or the same (source, event id, backend). */
export function findDuplicateText(t: Tables): readonly string[] {
  return [
    `SELECT ${foreignSelectList(COLUMN_NAMES)} FROM ${t.events} WHERE id = `,
    ' OR (source = ',
    ' AND event_id = ',
    ' AND publisher_backend = ',
    ') LIMIT 1',
  ]
}

export function findDuplicate(strings: readonly string[], row: NewOutboxEvent): Statement {
  return { strings, values: [toSqlId(row.id), row.source, row.eventId, row.publisherBackend] }
}

/** Reads the row that `findDuplicate` returned, if any. */
export function found([row]: readonly Row[]): Partial<OutboxEventColumns> | undefined {
  return row && readRow(row)
}
