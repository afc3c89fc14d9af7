import { BroadcasterError } from '../../../../errors.ts'
import type { Runs } from '../../client.ts'
import { sql } from '../../sql.ts'
import type { Tables } from '../../tables.ts'
import { namesOf } from './names.ts'

interface Wanted {
  /** For the message. */
  readonly said: string
  readonly type: RegExp
  readonly required: boolean
}

const varchar = (width: number): Wanted => ({
  said: `varchar(${width})`,
  type: new RegExp(`^varchar\\(${width}\\)$`),
  required: true,
})
const instant = (required: boolean): Wanted => ({ said: 'datetime(6)', type: /^datetime\(6\)$/, required })
// MariaDB's json is longtext with a check, and integers have a width in some versions.
const json = (required: boolean): Wanted => ({ said: 'json', type: /^(?:json|longtext)$/, required })
const count: Wanted = { said: 'integer unsigned', type: /^int(?:\(\d+\))? unsigned$/, required: true }

/** The columns of the Django table. */
const DJANGO: Readonly<Record<string, Wanted>> = {
  // On MariaDB 10.7 and newer Django 5 makes a uuid.
  id: { said: 'char(32), or uuid', type: /^(?:char\(32\)|uuid)$/, required: true },
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
  retry_count: count,
  max_retries: count,
  last_error: { said: 'longtext', type: /^longtext$/, required: true },
  publisher_backend: varchar(100),
  publisher_config: json(true),
}

/** The names of Django's columns, in its order. */
export const DJANGO_COLUMNS: readonly string[] = Object.keys(DJANGO)

/** Throws `TAKEOVER_REFUSED`, naming the column, unless the events table is one that Django Broadcaster made. */
export async function recognise(session: Runs, t: Tables): Promise<void> {
  const { database, table } = namesOf(t)
  const rows = await session.query(sql`
SELECT column_name AS name, LOWER(column_type) AS type, is_nullable = 'NO' AS required, column_key = 'PRI' AS key_part
FROM information_schema.columns WHERE table_schema = ${database} AND table_name = ${table}`)
  const columns = new Map(rows.map((row) => [String(row['name']), row]))
  for (const [name, { said, type, required }] of Object.entries(DJANGO)) {
    const column = columns.get(name)
    if (column === undefined) throw refused(table, name, undefined, `is missing; it should be ${said}`)
    const found = String(column['type'])
    if (!type.test(found)) {
      throw refused(table, name, found, `is ${found}; it should be ${said}`)
    }
    if (required && Number(column['required']) !== 1) {
      throw refused(table, name, 'NULL', 'may be NULL; it should be NOT NULL')
    }
    if ((name === 'id') !== (Number(column['key_part']) === 1)) {
      throw refused(table, name, undefined, name === 'id' ? 'is not the primary key' : 'is part of the primary key')
    }
  }
  for (const name of columns.keys()) {
    if (DJANGO[name] === undefined) {
      throw refused(table, name, undefined, 'is no column of Django Broadcaster, and the copy would lose it')
    }
  }
  const [reference] = await session.query(sql`
SELECT table_name AS name FROM information_schema.key_column_usage
WHERE referenced_table_schema = ${database} AND referenced_table_name = ${table}`)
  if (reference) {
    const by = String(reference['name'])
    throw refused(table, 'id', by, `is referred to by a foreign key of ${by}`)
  }
  const [trigger] = await session.query(sql`
SELECT trigger_name AS name FROM information_schema.triggers
WHERE event_object_schema = ${database} AND event_object_table = ${table}
  AND trigger_name NOT IN (${[`${table}_added`, `${table}_changed`, `${table}_gone`]})`)
  if (trigger) {
    const name = String(trigger['name'])
    throw refused(table, 'trigger', name, `${name} stands on it, and the copy would lose it; drop it and make it again`)
  }
}

function refused(table: string, field: string, value: unknown, message: string): BroadcasterError {
  return new BroadcasterError(
    'TAKEOVER_REFUSED',
    `${table} is there already, and not a table of Django Broadcaster: ${field} ${message}. Give the outbox another \`table\`, or rename that one`,
    { field, value },
  )
}
