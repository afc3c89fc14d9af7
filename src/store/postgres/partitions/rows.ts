import type { ClientTransaction, SqlValue } from '../client.ts'
import type { Tables } from '../tables.ts'

/** The columns of the events table, quoted. */
export async function columnsOf(on: Pick<ClientTransaction, 'query'>, t: Tables): Promise<readonly string[]> {
  const rows = await on.query(
    `SELECT quote_ident(a.attname) AS name FROM pg_attribute AS a
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [t.events],
  )
  return rows.map(({ name }) => name ?? '')
}

/**
 * Moves rows `e` of a table that is no partition just now into the events table, which puts them where they belong. Resolves with how
 * many. A trigger parks what is scheduled for later: what was not parked is as before.
 */
export async function takeBack(
  tx: Pick<ClientTransaction, 'query'>,
  t: Tables,
  from: string,
  columns: readonly string[],
  which: string,
  values: readonly SqlValue[],
): Promise<number> {
  const text = `
WITH moved AS (
  DELETE FROM ${from} AS e WHERE ${which} RETURNING ${columns.map((name) => `e.${name}`).join(', ')}
)
INSERT INTO ${t.events} (${columns.join(', ')}) SELECT ${columns.join(', ')} FROM moved
RETURNING id, status IN ('published', 'failed', 'cancelled') AND available_at = scheduled_at AS parked`
  await tx.query(`SELECT set_config('broadcaster.taken_back', 'yes', true)`)
  const rows = await tx.query(text, values)
  const parked = rows.flatMap((row) => (row['parked'] === 't' ? [row['id'] ?? ''] : []))
  if (parked.length > 0) {
    await tx.query(`UPDATE ${t.events} SET available_at = NULL WHERE id = ANY ($1::uuid[])`, [parked])
  }
  return rows.length
}

/** An aggregate of rows: their bytes as they are stored, of which nothing that is kept apart is read. */
export function storedBytes(row: string): string {
  return `coalesce(sum(200 + coalesce(pg_column_size(${row}.data), 0) + coalesce(pg_column_size(${row}.data_binary), 0)
    + coalesce(pg_column_size(${row}.extensions), 0)), 0)`
}
