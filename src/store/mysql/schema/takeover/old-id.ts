import type { Runs } from '../../client.ts'
import { Sql, sql } from '../../sql.ts'
import type { TakeOverNames } from './names.ts'

/** The id of Django's table: 32 digits, or on MariaDB 10.7 and newer under Django 5 a `uuid`. Ours then has the same. */
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
    // Two columns of different collations are compared without any index, 60,000 times 60,000 rows.
    of: (row) => new Sql(isUuid ? `${row}.id` : `CONVERT(${row}.id USING ascii) COLLATE ascii_bin`),
  }
}
