import type { Client, ClientTransaction } from '../../client.ts'
import { isPartitionedNow } from '../../partitions/convert.ts'
import { serverCode } from '../../store-error.ts'
import type { Tables } from '../../tables.ts'
import { type Migration, scriptOf } from '../migration.ts'
import { buildIndex, buildOnPartitions } from '../takeover/build-index.ts'
import { lockMigrations } from '../takeover/take-over.ts'
import { bare, compare, type Gap, patternOf } from './compare.ts'

/** What a schema should be, and what is known of it when its own tables cannot tell. */
export interface Wanted {
  /** The steps that it should have. */
  readonly steps: readonly Migration[]
  readonly lanes: number
}

/**
 * Makes what was dropped: a tool that drops the tables which it does not know leaves our functions behind, or a restored
 * dump lacks them. A second outbox of the same version is made beside the real one, in a transaction that ends without
 * it, and what only that one has is made. Rows are kept; indexes are built beside all traffic. Resolves with what was
 * made, for people; without the right to make tables there is nothing to mend, and it resolves with nothing.
 */
export async function mend(client: Client, t: Tables, wanted: Wanted): Promise<readonly string[]> {
  let gaps: readonly Gap[] = []
  try {
    await client.transaction(async (tx) => {
      await lockMigrations(tx, t)
      await tx.query('SAVEPOINT pattern')
      await makePattern(tx, t, wanted)
      gaps = await compare(tx, t)
      const fill = gaps.filter(({ kind }) => kind !== 'index')
      if (fill.length === 0) {
        await tx.query('ROLLBACK TO SAVEPOINT pattern')
        return
      }
      for (const { sql } of fill) await tx.script(sql)
      await recordAgain(tx, t, wanted)
      await dropPattern(tx, t)
    })
  } catch (error) {
    if (gaps.length === 0 && isForbidden(error)) return []
    throw error
  }
  for (const { kind, name, sql } of gaps) {
    if (kind !== 'index') continue
    const ofEvents = sql.replaceAll('"', '').includes(`.${bare(t.events)} USING `)
    if (ofEvents && (await isPartitionedNow(client, t))) await buildOnPartitions(client, t, name, sql)
    else await buildIndex(client, qualified(t, name), sql.replace(/ INDEX /, ' INDEX CONCURRENTLY '))
  }
  return named(gaps)
}

/** What `mend` would make, for people. */
export async function drift(client: Client, t: Tables, wanted: Wanted): Promise<readonly string[]> {
  try {
    const gaps = await client.transaction(async (tx) => {
      await lockMigrations(tx, t)
      await tx.query('SAVEPOINT pattern')
      await makePattern(tx, t, wanted)
      const found = await compare(tx, t)
      await tx.query('ROLLBACK TO SAVEPOINT pattern')
      return found
    })
    return named(gaps)
  } catch (error) {
    if (isForbidden(error)) return []
    throw error
  }
}

function named(gaps: readonly Gap[]): readonly string[] {
  return gaps.filter(({ kind }) => kind !== 'check').map(wordsFor)
}

function wordsFor({ kind, name }: Gap): string {
  const [first = '', second = ''] = name.split('.')
  if (kind === 'key') return `the primary key of ${first}`
  return kind === 'column' ? `the column ${first}.${second}` : `the ${kind} ${first}`
}

async function makePattern(tx: ClientTransaction, t: Tables, { steps, lanes }: Wanted): Promise<void> {
  const pattern = patternOf(t)
  for (const step of steps) await tx.script(scriptOf(step, pattern, step.sql(pattern, lanes)))
}

/** What tables hold from the beginning. */
async function recordAgain(tx: ClientTransaction, t: Tables, { steps, lanes }: Wanted): Promise<void> {
  await tx.query(`INSERT INTO ${t.settings} (lanes) SELECT $1::integer WHERE NOT EXISTS (SELECT FROM ${t.settings})`, [
    lanes,
  ])
  for (const { version, name, breaking } of steps) {
    await tx.query(
      `INSERT INTO ${t.migrations} (version, name, breaking) VALUES ($1::integer, $2, $3::boolean) ON CONFLICT DO NOTHING`,
      [version, name, breaking],
    )
  }
}

async function dropPattern(tx: ClientTransaction, t: Tables): Promise<void> {
  const rows = await tx.query(
    `WITH home AS (SELECT relnamespace AS oid FROM pg_class WHERE oid = to_regclass($1))
SELECT format('DROP %s IF EXISTS %s CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass) AS sql
FROM pg_class AS c JOIN home AS h ON h.oid = c.relnamespace WHERE c.relkind IN ('r', 'v') AND starts_with(c.relname, $2)
UNION ALL
SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', p.oid::regprocedure)
FROM pg_proc AS p JOIN home AS h ON h.oid = p.pronamespace WHERE starts_with(p.proname, $2)`,
    [patternOf(t).events, bare(patternOf(t).events).replace(/_events$/, '')],
  )
  for (const { sql } of rows) await tx.script(sql ?? '')
}

function qualified(t: Tables, name: string): string {
  return t.schema === undefined ? `"${name}"` : `${t.schema}."${name}"`
}

function isForbidden(error: unknown): boolean {
  return serverCode(error) === '42501'
}
