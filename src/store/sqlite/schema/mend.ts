import type { DatabaseSync } from 'node:sqlite'
import type { Row } from '../../statement.ts'
import { Connection } from '../connection.ts'
import type { Tables } from '../tables.ts'

const OBJECTS = `SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END, rowid`

/**
 * Makes again what was dropped of the outbox, inside the caller's transaction: `script` makes an outbox of the same
 * version in `memory`, an empty database that is closed afterwards, and what only that one has is made from its
 * definition. Rows are kept; those of settings and steps are made too. Returns what was made, for people.
 */
export function mend(db: Connection, t: Tables, script: string, memory: DatabaseSync): readonly string[] {
  const pattern = new Connection(memory)
  try {
    pattern.exec(script)
    const gaps = gapsBetween(pattern, db)
    for (const { sql } of gaps) db.exec(sql)
    if (gaps.length > 0) for (const table of [t.settings, t.migrations]) copyRows(pattern, db, table)
    return gaps.map(({ what }) => what)
  } finally {
    pattern.close()
  }
}

/** What `mend` would make, for people. */
export function drift(db: Connection, script: string, memory: DatabaseSync): readonly string[] {
  const pattern = new Connection(memory)
  try {
    pattern.exec(script)
    return gapsBetween(pattern, db).map(({ what }) => what)
  } finally {
    pattern.close()
  }
}

/** What only the pattern has. */
function gapsBetween(pattern: Connection, db: Connection): readonly { readonly what: string; readonly sql: string }[] {
  const there = new Set(db.all(OBJECTS).map(({ type, name }) => `${type} ${name}`))
  return pattern.all(OBJECTS).flatMap(({ type, name, sql }) => {
    if (!there.has(`${type} ${name}`)) return [{ what: `the ${type} ${name}`, sql: String(sql) }]
    if (type !== 'table') return []
    return missingColumns(pattern, db, String(name)).map((column) => ({
      what: `the column ${name}.${column['name']}`,
      sql: `ALTER TABLE "${name}" ADD COLUMN ${definition(column)}`,
    }))
  })
}

/** Whether parts of an outbox exist, but not the table that says which version they have. */
export function hasLostRecords(db: Connection, t: Tables): boolean {
  const has = (name: string): boolean =>
    db.get('SELECT 1 FROM sqlite_schema WHERE name = ?', unquoted(name)) !== undefined
  if (has(t.migrations)) return false
  if (has(t.events)) return columnsOf(db, unquoted(t.events)).some(({ name }) => name === 'lane')
  return [
    t.settings,
    t.lanes,
    t.workers,
    t.breakers,
    t.destinations,
    t.rates,
    t.inbox,
    t.audit,
    t.operations,
    t.publish,
  ].some(has)
}

/** The number of lanes that the outbox was made with, from whatever still shows it; undefined = nothing does. */
export function lanesLeft(db: Connection, t: Tables): number | undefined {
  const has = (name: string): Row | undefined =>
    db.get("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", unquoted(name))
  const [setting] = has(t.settings) ? db.all(`SELECT lanes FROM ${t.settings}`) : []
  if (setting !== undefined) return Number(setting['lanes'])
  const [, inDefault] = /lane smallint[^\n]*% (\d+)\)/.exec(String(has(t.events)?.['sql'] ?? '')) ?? []
  if (inDefault !== undefined) return Number(inDefault)
  const most = has(t.lanes) && db.get(`SELECT max(lane) + 1 AS lanes FROM ${t.lanes}`)
  return most?.['lanes'] == null ? undefined : Number(most['lanes'])
}

function columnsOf(db: Connection, table: string): readonly Row[] {
  return db.all('SELECT name, type, "notnull" AS required, dflt_value AS given FROM pragma_table_info(?)', table)
}

function missingColumns(pattern: Connection, db: Connection, table: string): readonly Row[] {
  const there = new Set(columnsOf(db, table).map(({ name }) => name))
  return columnsOf(pattern, table).filter(({ name }) => !there.has(name))
}

function definition({ name, type, required, given }: Row): string {
  return `"${name}" ${type}${required === 1 ? ' NOT NULL' : ''}${given === null ? '' : ` DEFAULT ${given}`}`
}

function copyRows(from: Connection, to: Connection, table: string): void {
  for (const row of from.all(`SELECT * FROM ${table}`)) {
    const names = Object.keys(row)
    to.run(
      `INSERT OR IGNORE INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
      ...names.map((name) => row[name] as string | number),
    )
  }
}

function unquoted(name: string): string {
  return name.slice(1, -1)
}
