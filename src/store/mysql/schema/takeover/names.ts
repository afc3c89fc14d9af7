import type { Runs } from '../../client.ts'
import { Sql, sql } from '../../sql.ts'
import type { Tables } from '../../tables.ts'

/** Names that a take-over needs besides the outbox's own tables. */
export interface TakeOverNames {
  /** The database, as an expression, and the plain name of the events table, for the information schema. */
  readonly database: Sql
  readonly table: string
  /** The table that will replace Django's. */
  readonly next: Sql
  /** Django's table after that. */
  readonly aside: Sql
  readonly asideTable: string
  /** The progress of the take-over. */
  readonly state: Sql
  /** The triggers on Django's table. */
  readonly triggers: { readonly added: Sql; readonly changed: Sql; readonly gone: Sql }
}

/** Names that begin with the events table's own; the longest is 61 characters, of 64 that MySQL takes. */
export function namesOf(t: Tables): TakeOverNames {
  const parts = t.events.text.split('.').map((part) => part.slice(1, -1))
  const table = parts.at(-1) ?? ''
  const database = parts.length > 1 ? parts[0] : undefined
  const qualified = (suffix: string): Sql =>
    new Sql(database === undefined ? `\`${table}_${suffix}\`` : `\`${database}\`.\`${table}_${suffix}\``)
  return {
    database: database === undefined ? sql`DATABASE()` : sql`${database}`,
    table,
    next: qualified('next'),
    aside: qualified('django'),
    asideTable: `${table}_django`,
    state: qualified('taking'),
    triggers: { added: qualified('added'), changed: qualified('changed'), gone: qualified('gone') },
  }
}

/** The id of Django's table: 32 digits, or with Django 5 on MariaDB 10.7 and newer a `uuid`. Ours is the same. */
export interface OldId {
  readonly isUuid: boolean
  /** The id of a row `o`, or `OLD`, as ours holds it. */
  of(row: 'o' | 'OLD'): Sql
}

/** Looks at the table. */
export async function oldIdOf(session: Runs, { database, table }: TakeOverNames): Promise<OldId> {
  const [column] = await session.query(sql`
SELECT LOWER(column_type) AS type FROM information_schema.columns
WHERE table_schema = ${database} AND table_name = ${table} AND column_name = 'id'`)
  const isUuid = column?.['type'] === 'uuid'
  return {
    isUuid,
    // Columns of different collations would be compared without an index, 60,000 times 60,000 rows.
    of: (row) => new Sql(isUuid ? `${row}.id` : `CONVERT(${row}.id USING ascii) COLLATE ascii_bin`),
  }
}
