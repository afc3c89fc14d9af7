import { TABLES } from '../table-names.ts'
import { type TableSize, tableSizes } from '../table-sizes.ts'
import type { Client, RawRow } from './client.ts'
import { join, Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'

/**
 * From information_schema, which shows a role the tables that it has any right on; MySQL 8 answers from what it knew up to a day ago
 * (`information_schema_stats_expiry`). The indexes are told apart only to who may read the statistics of InnoDB.
 */
export function sizes(client: Client, t: Tables): () => Promise<readonly TableSize[] | undefined> {
  const [events = '', database] = t.events.text.replaceAll('`', '').split('.').reverse()
  const here = database === undefined ? new Sql('DATABASE()') : sql`${database}`
  const names = [events, ...TABLES.filter((name) => name !== 'events').map((name) => bare(t[name]))]
  return async () => {
    const tables = await client.query(sql`
SELECT table_name AS name, data_length + index_length AS bytes, index_length AS index_bytes, table_rows AS row_count
FROM information_schema.tables WHERE table_schema = ${here} AND table_name IN (${join(
      names.map((name) => sql`${name}`),
      ', ',
    )})`)
    return tables.length === 0 ? undefined : tableSizes(tables, await indexes(here, names))
  }

  async function indexes(here: Sql, names: readonly string[]): Promise<readonly RawRow[]> {
    try {
      return await client.query(sql`
SELECT table_name, CASE index_name WHEN 'PRIMARY' THEN 'PRIMARY (the rows)' ELSE index_name END AS name, stat_value * @@innodb_page_size AS bytes
FROM mysql.innodb_index_stats WHERE database_name = ${here} AND stat_name = 'size' AND table_name IN (${join(
        names.map((name) => sql`${name}`),
        ', ',
      )})`)
    } catch {
      return []
    }
  }
}

function bare(name: Sql): string {
  return name.text.replaceAll('`', '').split('.').at(-1) ?? ''
}
