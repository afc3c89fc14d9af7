import { BroadcasterError } from '../../../../errors.ts'
import type { Client } from '../../client.ts'
import type { Tables } from '../../tables.ts'

/** What a column must be, for the events in it to be ours to deliver. */
interface Wanted {
  /** For the message. */
  readonly said: string
  readonly required: boolean
  fits(type: string): boolean
}

const exactly = (type: string, required = true): Wanted => ({
  said: type,
  required,
  fits: (found) => found === type,
})
/** As wide or wider: what `publish` accepts must fit. */
const varchar = (width: number, required = true): Wanted => ({
  said: `varchar(${width})`,
  required,
  fits: (found) => found === 'text' || Number(/^character varying\((\d+)\)$/.exec(found)?.[1] ?? 0) >= width,
})
const json = (required: boolean): Wanted => ({
  said: 'jsonb or json',
  required,
  fits: (found) => found === 'jsonb' || found === 'json',
})
const instant = (required: boolean): Wanted => exactly('timestamp with time zone', required)

/** The columns of the Django table. Extra ones are the owner's affair as long as an insert may leave them out. */
const DJANGO: Readonly<Record<string, Wanted>> = {
  id: exactly('uuid'),
  spec_version: varchar(10),
  event_type: varchar(255),
  source: varchar(255),
  subject: varchar(255),
  data_content_type: varchar(100),
  data_schema: varchar(200),
  data: json(false),
  status: varchar(20),
  created_at: instant(true),
  updated_at: instant(true),
  scheduled_at: instant(true),
  published_at: instant(false),
  retry_count: exactly('integer'),
  max_retries: exactly('integer'),
  last_error: exactly('text'),
  publisher_backend: varchar(100),
  publisher_config: json(true),
}

/** Those that a take-over adds; there already only when one was interrupted. */
const ADDED: Readonly<Record<string, Wanted>> = {
  seq: exactly('bigint', false),
  lane: exactly('smallint', false),
  partition_key: varchar(255, false),
  event_id: exactly('text', false),
  event_time: exactly('text', false),
  data_binary: exactly('bytea', false),
  extensions: json(false),
  available_at: instant(false),
  attempts: exactly('json', false),
  progress: json(false),
}

/**
 * Throws `TAKEOVER_REFUSED`, naming the column, unless the events table is one that Django Broadcaster made, or one
 * whose take-over was interrupted.
 */
export async function recognise(client: Pick<Client, 'query'>, t: Tables): Promise<void> {
  const [table] = await client.query(
    `SELECT c.relkind::text AS kind, (
  SELECT string_agg(a.attname, ', ') FROM pg_index AS i
  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
  WHERE i.indrelid = c.oid AND i.indisprimary) AS key
FROM pg_class AS c WHERE c.oid = to_regclass($1)`,
    [t.events],
  )
  if (table?.['kind'] !== 'r') throw refused(t, 'table', table?.['kind'], 'is not a plain table')
  const rows = await client.query(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
  a.atthasdef OR a.attidentity <> '' AS given
FROM pg_attribute AS a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`,
    [t.events],
  )
  const found = new Map(rows.map((row) => [row['name'] ?? '', row]))
  for (const [name, wanted] of Object.entries(DJANGO)) {
    const column = found.get(name)
    if (column === undefined) throw refused(t, name, undefined, `is missing; it should be ${wanted.said}`)
    checkType(t, name, wanted, column['type'] ?? '')
    if (wanted.required && column['required'] !== 't')
      throw refused(t, name, 'NULL', 'may be NULL; it should be NOT NULL')
  }
  for (const [name, column] of found) {
    const added = ADDED[name]
    if (added !== undefined) checkType(t, name, added, column['type'] ?? '')
    else if (DJANGO[name] === undefined && column['required'] === 't' && column['given'] !== 't') {
      throw refused(t, name, column['type'], 'is no column of ours, NOT NULL and without a default; give it a default')
    }
  }
  if (table['key'] !== 'id') throw refused(t, 'id', table['key'], 'is not the primary key')
}

function checkType(t: Tables, name: string, wanted: Wanted, type: string): void {
  if (!wanted.fits(type)) throw refused(t, name, type, `is ${type}; it should be ${wanted.said}`)
}

function refused(t: Tables, field: string, value: unknown, message: string): BroadcasterError {
  const place = t.events.replaceAll('"', '')
  return new BroadcasterError(
    'TAKEOVER_REFUSED',
    `${place} is there already, and not a table of Django Broadcaster: ${field} ${message}. Give the outbox another \`table\`, or rename that one`,
    { field, value },
  )
}
