import { TABLES } from '../table-names.ts'
import { type TableSize, tableSizes } from '../table-sizes.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'

/** Larger files are told as a whole: dbstat visits every page, about 1 ms for each MB, and nothing else runs meanwhile. */
const MOST_BYTES = 64 * 1024 * 1024

/** By pages, of each table and index; of the file as a whole where that is large, or this SQLite has no dbstat. */
export function sizes(t: Tables) {
  const names = JSON.stringify(TABLES.map((name) => t[name].slice(1, -1)))
  const pagesSql = `
    SELECT s.tbl_name AS table_name, s.name, s.type, sum(d.pgsize) AS bytes
    FROM sqlite_schema AS s JOIN dbstat AS d ON d.name = s.name AND d.aggregate = TRUE
    WHERE s.tbl_name IN (SELECT value FROM json_each(?)) AND s.type IN ('table', 'index') GROUP BY 1, 2, 3`
  return (db: Connection): readonly TableSize[] => {
    const whole = Number(
      db.get('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size')?.['bytes'],
    )
    const file = [{ name: 'all tables of this database file', bytes: whole, index_bytes: null, row_count: null }]
    if (whole > MOST_BYTES) return tableSizes(file, [])
    try {
      const parts = db.all(pagesSql, names)
      const indexes = parts.filter(({ type }) => type === 'index')
      const tables = parts.filter(({ type }) => type === 'table')
      const ofIndexes = (table: unknown): number =>
        indexes.reduce((all, row) => all + (row['table_name'] === table ? Number(row['bytes']) : 0), 0)
      return tableSizes(
        tables.map(({ name, bytes }) => {
          const index_bytes = ofIndexes(name)
          return { name, bytes: Number(bytes) + index_bytes, index_bytes, row_count: null }
        }),
        indexes,
      )
    } catch {
      return tableSizes(file, [])
    }
  }
}
