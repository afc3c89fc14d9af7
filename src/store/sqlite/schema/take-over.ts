import {
  DJANGO_COLUMNS,
  type DjangoTypes,
  recogniseColumns,
  takeOverRefused,
  type WantedType,
} from '../../django-table.ts'
import type { Connection } from '../connection.ts'
import type { Tables } from '../tables.ts'
import { NOW } from '../values.ts'

/** SQLite reports a type as it was written. */
const beginning = (said: string): WantedType => ({ said, fits: (found) => found.startsWith(said) })

const DJANGO: DjangoTypes = {
  id: beginning('char(32)'),
  varchar: () => beginning('varchar'),
  json: beginning('text'),
  instant: beginning('datetime'),
  number: beginning('integer'),
  text: beginning('text'),
}
const COLUMNS = DJANGO_COLUMNS.join(', ')

/** Whether there is an events table without a record of ours. */
export function isForeign(db: Connection, t: Tables): boolean {
  const sql = "SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table' AND name = ?"
  const has = (table: string): boolean => Number(db.get(sql, unquoted(table))?.['n']) > 0
  return has(t.events) && !has(t.migrations)
}

/**
 * Takes over a table that Django made, inside the caller's transaction: moves it aside, makes ours, copies, drops it.
 * `seq` has to be the rowid, and no ALTER TABLE can add that; keeping the old rowid would let VACUUM renumber it.
 * `create` makes our tables. The new table gets the indexes and triggers of the old one. Throws `TAKEOVER_REFUSED`
 * before anything is changed.
 */
export function takeOver(db: Connection, t: Tables, create: () => void): void {
  recognise(db, t)
  const kept = db
    .all(
      "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type",
      unquoted(t.events),
    )
    .map(({ sql }) => `${String(sql)};`)
  // Views and triggers elsewhere that name the table must refer to the new one.
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
  const table = unquoted(t.events)
  const columns = db
    .all('SELECT name, lower(type) AS type, "notnull" AS required, pk FROM pragma_table_info(?)', table)
    .map((row) => ({
      name: String(row['name']),
      type: String(row['type']),
      required: row['required'] === 1,
      isKey: row['pk'] !== 0,
    }))
  recogniseColumns(table, columns, DJANGO, () => 'is not a column of Django Broadcaster, and the copy would lose it')
  const [reference] = db.all(
    `SELECT m.name FROM sqlite_schema AS m JOIN pragma_foreign_key_list(m.name) AS f
     WHERE m.type = 'table' AND lower(f."table") = lower(?)`,
    table,
  )
  if (reference) {
    throw takeOverRefused(
      table,
      'id',
      reference['name'],
      `is referred to by a foreign key of ${String(reference['name'])}`,
    )
  }
}

function unquoted(name: string): string {
  return name.slice(1, -1)
}
