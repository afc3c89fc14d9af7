import { type DjangoTypes, recogniseColumns, takeOverRefused, type WantedType } from '../../../django-table.ts'
import type { Runs } from '../../client.ts'
import { sql } from '../../sql.ts'
import type { Tables } from '../../tables.ts'
import { namesOf } from './names.ts'

const like = (said: string, type: RegExp): WantedType => ({ said, fits: (found) => type.test(found) })

const DJANGO: DjangoTypes = {
  // On MariaDB 10.7 and newer Django 5 makes a uuid.
  id: like('char(32), or uuid', /^(?:char\(32\)|uuid)$/),
  varchar: (width) => like(`varchar(${width})`, new RegExp(`^varchar\\(${width}\\)$`)),
  // MariaDB's json is longtext with a check, and integers have a width in some versions.
  json: like('json', /^(?:json|longtext)$/),
  instant: like('datetime(6)', /^datetime\(6\)$/),
  number: like('integer unsigned', /^int(?:\(\d+\))? unsigned$/),
  text: like('longtext', /^longtext$/),
}

/** Throws `TAKEOVER_REFUSED`, naming the column, unless the events table is one that Django Broadcaster made. */
export async function recognise(session: Runs, t: Tables): Promise<void> {
  const { database, table } = namesOf(t)
  const rows = await session.query(sql`
SELECT column_name AS name, LOWER(column_type) AS type, is_nullable = 'NO' AS required, column_key = 'PRI' AS key_part
FROM information_schema.columns WHERE table_schema = ${database} AND table_name = ${table}`)
  const columns = rows.map((row) => ({
    name: String(row['name']),
    type: String(row['type']),
    required: Number(row['required']) === 1,
    isKey: Number(row['key_part']) === 1,
  }))
  recogniseColumns(table, columns, DJANGO, () => 'is not a column of Django Broadcaster, and the copy would lose it')
  const [reference] = await session.query(sql`
SELECT table_name AS name FROM information_schema.key_column_usage
WHERE referenced_table_schema = ${database} AND referenced_table_name = ${table}`)
  if (reference) {
    const by = String(reference['name'])
    throw takeOverRefused(table, 'id', by, `is referred to by a foreign key of ${by}`)
  }
  const [trigger] = await session.query(sql`
SELECT trigger_name AS name FROM information_schema.triggers
WHERE event_object_schema = ${database} AND event_object_table = ${table}
  AND trigger_name NOT IN (${[`${table}_added`, `${table}_changed`, `${table}_gone`]})`)
  if (trigger) {
    const name = String(trigger['name'])
    throw takeOverRefused(
      table,
      'trigger',
      name,
      `${name} stands on it, and the copy would lose it; drop it and make it again`,
    )
  }
}
