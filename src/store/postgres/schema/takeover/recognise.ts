import {
  checkType,
  type DjangoTypes,
  exactly,
  recogniseColumns,
  takeOverRefused,
  type WantedType,
} from '../../../django-table.ts'
import type { Client } from '../../client.ts'
import type { Tables } from '../../tables.ts'

/** As wide or wider: what `publish` accepts must fit. */
const varchar = (width: number): WantedType => ({
  said: `varchar(${width})`,
  fits: (found) => found === 'text' || Number(/^character varying\((\d+)\)$/.exec(found)?.[1] ?? 0) >= width,
})
const json: WantedType = { said: 'jsonb or json', fits: (found) => found === 'jsonb' || found === 'json' }
const instant = exactly('timestamp with time zone')

const DJANGO: DjangoTypes = {
  id: exactly('uuid'),
  varchar,
  json,
  instant,
  number: exactly('integer'),
  text: exactly('text'),
}

/** The columns that a take-over adds; there already only when one was interrupted. */
const ADDED: Readonly<Record<string, WantedType>> = {
  seq: exactly('bigint'),
  lane: exactly('smallint'),
  partition_key: varchar(255),
  event_id: exactly('text'),
  event_time: exactly('text'),
  data_binary: exactly('bytea'),
  extensions: json,
  available_at: instant,
  attempts: exactly('json'),
  progress: json,
}

/**
 * Throws `TAKEOVER_REFUSED`, naming the column, unless the events table is one that Django Broadcaster made, or one
 * whose take-over was interrupted.
 */
export async function recognise(client: Pick<Client, 'query'>, t: Tables): Promise<void> {
  const table = t.events.replaceAll('"', '')
  const [found] = await client.query('SELECT relkind::text AS kind FROM pg_class WHERE oid = to_regclass($1)', [
    t.events,
  ])
  if (found?.['kind'] !== 'r') throw takeOverRefused(table, 'table', found?.['kind'], 'is not a plain table')
  const rows = await client.query(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
  a.atthasdef OR a.attidentity <> '' AS given, coalesce(a.attnum = ANY (i.indkey), false) AS key
FROM pg_attribute AS a LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`,
    [t.events],
  )
  const columns = rows.map((row) => ({
    name: row['name'] ?? '',
    type: row['type'] ?? '',
    required: row['required'] === 't',
    isGiven: row['given'] === 't',
    isKey: row['key'] === 't',
  }))
  for (const column of columns) {
    const added = ADDED[column.name]
    if (added !== undefined) checkType(table, column, added)
  }
  // Others are the owner's affair as long as an insert may leave them out.
  recogniseColumns(table, columns, DJANGO, ({ name, required, isGiven }) =>
    Object.hasOwn(ADDED, name) || !required || isGiven
      ? undefined
      : 'is not a column of ours, is NOT NULL and without a default; give it a default',
  )
}
