import { type ColumnName, FAR_FUTURE, type OutboxEventColumns, sqlName } from '../../record/columns.ts'
import type { Row } from '../statement.ts'

/** Now by the database's clock, in the form of every instant in the table: UTC, as Django writes it. */
export const NOW = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"

/** An instant some seconds (an SQL expression; fractions allowed) from now. */
export function nowPlus(seconds: string): string {
  return `strftime('%Y-%m-%d %H:%M:%f000', 'now', (${seconds}) || ' seconds')`
}

/** An instant as the table holds it. Text of one length, so that it sorts by time. */
export function toSqlDate(date: Date): string {
  return `${date.toISOString().slice(0, 23).replace('T', ' ')}000`
}

/** Reads an instant of the table; Django leaves the fraction out when it is zero. */
export function fromSqlDate(text: string): Date {
  return new Date(`${text.slice(0, 23).replace(' ', 'T')}Z`)
}

export const FAR_FUTURE_SQL = `'${toSqlDate(FAR_FUTURE)}'`

/** A UUID as Django keeps it in SQLite: 32 hexadecimal digits. */
export function toSqlId(id: string): string {
  return id.replaceAll('-', '').toLowerCase()
}

/** The canonical form of a stored UUID. */
export function fromSqlId(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

const DATES: ReadonlySet<ColumnName> = new Set(['createdAt', 'updatedAt', 'scheduledAt', 'publishedAt', 'availableAt'])

/** Reads rows whose columns were selected by their database names. Made once for a statement: names are worked out here. */
export function columnReader<Name extends ColumnName>(
  names: readonly Name[],
): (row: Row) => Pick<OutboxEventColumns, Name> {
  const read = tupleReader(names)
  const columns = names.map(sqlName)
  return (row) => read(columns.map((column) => row[column]))
}

/** The same for rows that come as arrays, in the order of the names. */
export function tupleReader<Name extends ColumnName>(
  names: readonly Name[],
): (row: readonly unknown[]) => Pick<OutboxEventColumns, Name> {
  const parts = names.map((name) => ({
    name,
    read: name === 'id' ? readId : DATES.has(name) ? readDate : readPlain,
  }))
  return (row) => {
    const columns: Partial<Record<ColumnName, unknown>> = {}
    for (const [n, { name, read }] of parts.entries()) columns[name] = read(row[n])
    return columns as Pick<OutboxEventColumns, Name>
  }
}

function readId(value: unknown): unknown {
  return fromSqlId(String(value))
}

function readDate(value: unknown): unknown {
  return value === null ? null : fromSqlDate(String(value))
}

function readPlain(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

/** The select list of columns. */
export function selectList(names: readonly ColumnName[]): string {
  return names.map(sqlName).join(', ')
}
