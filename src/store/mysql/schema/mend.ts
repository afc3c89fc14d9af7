import type { Runs } from '../client.ts'
import { Sql, sql } from '../sql.ts'
import type { Tables } from '../tables.ts'
import { namesOf } from './takeover/names.ts'

/** An index of a table, as the CREATE TABLE statement defines it. */
interface Key {
  readonly table: string
  readonly name: string
  /** `UNIQUE KEY name (columns)`. */
  readonly definition: string
}

/** What the statements make, by plain names. */
interface Made {
  /** Tables, views, procedures and triggers: `TABLE outbox_lanes`. */
  readonly objects: ReadonlySet<string>
  readonly keys: readonly Key[]
}

/** What an outbox lacks. */
export interface Gaps {
  readonly objects: readonly string[]
  readonly keys: readonly Key[]
}

const CREATED = /^(?:CREATE TABLE IF NOT EXISTS|CREATE (?:OR REPLACE )?(PROCEDURE|TRIGGER|VIEW|FUNCTION)) (\S+?)[\s(]/
const KEY = /^\s*((?:UNIQUE )?KEY (\S+) \(.*\)),?$/gm

/** Read from the statements themselves, so that no separate list has to be kept in step. */
function madeBy(statements: readonly string[]): Made {
  const objects = new Set<string>()
  const keys: Key[] = []
  for (const text of statements) {
    const [, kind = 'TABLE', name] = CREATED.exec(text) ?? []
    if (name === undefined) continue
    objects.add(`${kind} ${plain(name)}`)
    if (kind !== 'TABLE') continue
    for (const [, definition = '', key = ''] of text.matchAll(KEY)) {
      keys.push({ table: plain(name), name: plain(key), definition })
    }
  }
  return { objects, keys }
}

/** What these statements make and the database lacks. */
export async function findGaps(runs: Runs, t: Tables, statements: readonly string[]): Promise<Gaps> {
  const { database } = namesOf(t)
  const rows = await runs.query(sql`
SELECT CONCAT(CASE table_type WHEN 'VIEW' THEN 'VIEW ' ELSE 'TABLE ' END, table_name) AS name, '' AS on_table
FROM information_schema.tables WHERE table_schema = ${database}
UNION ALL SELECT CONCAT(routine_type, ' ', routine_name), '' FROM information_schema.routines WHERE routine_schema = ${database}
UNION ALL SELECT CONCAT('TRIGGER ', trigger_name), '' FROM information_schema.triggers WHERE trigger_schema = ${database}
UNION ALL SELECT CONCAT('KEY ', table_name, '.', index_name), table_name FROM information_schema.statistics
  WHERE table_schema = ${database} AND seq_in_index = 1`)
  const there = new Set(rows.map((row) => String(row['name'])))
  const { objects, keys } = madeBy(statements)
  return {
    objects: [...objects].filter((name) => !there.has(name)),
    keys: keys.filter(({ table, name }) => there.has(`TABLE ${table}`) && !there.has(`KEY ${table}.${name}`)),
  }
}

/**
 * Makes what is missing, on the session that holds the migration lock. Statements of a step do nothing where they have
 * been run, so when a table or procedure is missing all run again; rows are kept. Returns what was made, for people.
 */
export async function mend(session: Runs, t: Tables, statements: readonly string[]): Promise<readonly string[]> {
  const { objects, keys } = await findGaps(session, t, statements)
  if (objects.length > 0) for (const text of statements) await session.run(new Sql(text))
  const parts = t.events.text.split('.')
  for (const { table, definition } of keys) {
    const name = [...parts.slice(0, -1), `\`${table}\``].join('.')
    await session.run(new Sql(`ALTER TABLE ${name} ADD ${definition}`))
  }
  return wordsFor({ objects, keys })
}

/** For people. */
export function wordsFor({ objects, keys }: Gaps): readonly string[] {
  return [
    ...objects.map((name) => `the ${name.replace(/^\S+/, (kind) => kind.toLowerCase())}`),
    ...keys.map(({ name }) => `the index ${name}`),
  ]
}

/** The number of lanes that the events table was made with, from its column default; undefined = there is none. */
export async function lanesLeft(runs: Runs, t: Tables): Promise<number | undefined> {
  const { database, table } = namesOf(t)
  const [row] = await runs.query(sql`
SELECT column_default AS text FROM information_schema.columns
WHERE table_schema = ${database} AND table_name = ${table} AND column_name = 'lane'`)
  const [, lanes] = /rand\(\) \* (\d+)/i.exec(String(row?.['text'] ?? '')) ?? []
  return lanes === undefined ? undefined : Number(lanes)
}

function plain(name: string): string {
  return name.replaceAll('`', '').split('.').at(-1) ?? ''
}
