import { BroadcasterError } from '../../../errors.ts'
import type { Connection } from '../connection.ts'
import type { Tables } from '../tables.ts'
import { NOW } from '../values.ts'

/** The columns of the Django table, and what their types begin with. The order is Django's. */
const DJANGO: Readonly<Record<string, { readonly type: string; readonly required: boolean }>> = {
  id: { type: 'char(32)', required: true },
  spec_version: { type: 'varchar', required: true },
  event_type: { type: 'varchar', required: true },
  source: { type: 'varchar', required: true },
  subject: { type: 'varchar', required: true },
  data_content_type: { type: 'varchar', required: true },
  data_schema: { type: 'varchar', required: true },
  data: { type: 'text', required: false },
  status: { type: 'varchar', required: true },
  created_at: { type: 'datetime', required: true },
  updated_at: { type: 'datetime', required: true },
  scheduled_at: { type: 'datetime', required: true },
  published_at: { type: 'datetime', required: false },
  retry_count: { type: 'integer', required: true },
  max_retries: { type: 'integer', required: true },
  last_error: { type: 'text', required: true },
  publisher_backend: { type: 'varchar', required: true },
  publisher_config: { type: 'text', required: true },
}
const COLUMNS = Object.keys(DJANGO).join(', ')

/** Whether the events table is there without a record of ours. */
export function isForeign(db: Connection, t: Tables): boolean {
  const sql = "SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table' AND name = ?"
  const has = (table: string): boolean => Number(db.get(sql, unquoted(table))?.['n']) > 0
  return has(t.events) && !has(t.migrations)
}

/**
 * Takes over a table that Django made, inside the caller's transaction: moves it aside, makes ours, copies, drops it.
 * `seq` has to be the rowid, and no ALTER TABLE can add that; keeping the old rowid would let VACUUM renumber it.
 * `create` makes our tables. What stood on the table (indexes, triggers) stands on the new one.
 * Throws `TAKEOVER_REFUSED` before anything is changed.
 */
export function takeOver(db: Connection, t: Tables, create: () => void): void {
  recognise(db, t)
  const kept = db
    .all(
      "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type",
      unquoted(t.events),
    )
    .map(({ sql }) => `${String(sql)};`)
  // Views and triggers elsewhere that name the table shall mean the new one.
  const before = Number(db.get('PRAGMA legacy_alter_table')?.['legacy_alter_table'])
  db.exec('PRAGMA legacy_alter_table = ON')
  try {
    db.exec(moveAside(t))
    create()
    db.exec(copyBack(t))
    db.exec(kept.join('\n'))
  } finally {
    db.exec(`PRAGMA legacy_alter_table = ${before}`)
  }
}

/** The take-over as SQL, for people; `create` makes our tables. */
export function printTakeOver(t: Tables, create: string): string {
  return `-- Takes over a table made by Django Broadcaster. Its indexes go with it; a worker needs none of them.
PRAGMA legacy_alter_table = ON;
BEGIN IMMEDIATE;
${moveAside(t)}${create}${copyBack(t)}COMMIT;
PRAGMA legacy_alter_table = OFF;
`
}

function moveAside(t: Tables): string {
  return `ALTER TABLE ${t.events} RENAME TO ${aside(t)};\n`
}

function copyBack(t: Tables): string {
  return `INSERT INTO ${t.events} (${COLUMNS}, available_at)
SELECT ${COLUMNS},
  CASE WHEN status IN ('pending', 'retry', 'processing') AND scheduled_at > ${NOW} THEN scheduled_at END
FROM ${aside(t)} ORDER BY created_at, id;
DROP TABLE ${aside(t)};
`
}

function aside(t: Tables): string {
  return `"${unquoted(t.events)}_django"`
}

function recognise(db: Connection, t: Tables): void {
  const columns = new Map(
    db
      .all('SELECT name, lower(type) AS type, "notnull" AS required, pk FROM pragma_table_info(?)', unquoted(t.events))
      .map((row) => [String(row['name']), row]),
  )
  for (const [name, { type, required }] of Object.entries(DJANGO)) {
    const column = columns.get(name)
    if (column === undefined) throw refused(t, name, undefined, `is missing; it should be ${type}`)
    const found = String(column['type'])
    if (!found.startsWith(type)) throw refused(t, name, found, `is ${found}; it should be ${type}`)
    if (required && column['required'] !== 1) throw refused(t, name, 'NULL', 'may be NULL; it should be NOT NULL')
  }
  for (const [name, column] of columns) {
    if (DJANGO[name] === undefined) {
      throw refused(t, name, column['type'], 'is no column of Django Broadcaster, and the copy would lose it')
    }
  }
  if (columns.get('id')?.['pk'] !== 1) throw refused(t, 'id', undefined, 'is not the primary key')
  const [reference] = db.all(
    `SELECT m.name FROM sqlite_schema AS m JOIN pragma_foreign_key_list(m.name) AS f
     WHERE m.type = 'table' AND lower(f."table") = lower(?)`,
    unquoted(t.events),
  )
  if (reference) {
    throw refused(t, 'id', reference['name'], `is referred to by a foreign key of ${String(reference['name'])}`)
  }
}

function refused(t: Tables, field: string, value: unknown, message: string): BroadcasterError {
  return new BroadcasterError(
    'TAKEOVER_REFUSED',
    `${unquoted(t.events)} is there already, and not a table of Django Broadcaster: ${field} ${message}. Give the outbox another \`table\`, or rename that one`,
    { field, value },
  )
}

function unquoted(name: string): string {
  return name.slice(1, -1)
}
