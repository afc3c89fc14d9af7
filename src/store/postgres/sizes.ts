import { TABLES } from '../table-names.ts'
import { type TableSize, tableSizes } from '../table-sizes.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/**
 * From the catalogue and the sizes of files: nothing of the tables is read, and any role may ask. A partitioned table has no size of
 * its own: those of its partitions are added up, and of their indexes by the index that they belong to.
 */
export function sizes(client: Client, t: Tables): () => Promise<readonly TableSize[]> {
  const parts = `roots AS (
  SELECT c.oid AS root, c.relname AS name FROM unnest($1::text[]) AS given(name) JOIN pg_class AS c ON c.oid = to_regclass(given.name)
), parts AS (
  SELECT root, name, root AS oid FROM roots
  UNION SELECT root, name, p.relid FROM roots, pg_partition_tree(root) AS p
)`
  const tablesText = `
WITH ${parts}
SELECT p.name, sum(pg_total_relation_size(p.oid)) AS bytes, sum(pg_indexes_size(p.oid)) AS index_bytes,
  sum(CASE WHEN c.relkind = 'p' THEN 0 ELSE c.reltuples END)::bigint AS row_count
FROM parts AS p JOIN pg_class AS c ON c.oid = p.oid GROUP BY p.name`
  const indexesText = `
WITH ${parts}
SELECT p.name AS table_name, coalesce(whole.relname, i.relname) AS name, sum(pg_relation_size(i.oid)) AS bytes
FROM parts AS p JOIN pg_index AS x ON x.indrelid = p.oid JOIN pg_class AS i ON i.oid = x.indexrelid
LEFT JOIN pg_inherits AS h ON h.inhrelid = i.oid LEFT JOIN pg_class AS whole ON whole.oid = h.inhparent
GROUP BY 1, 2`
  const names = [...TABLES.map((name) => t[name]), t.partitions, t.identities]
  return async () => tableSizes(await client.query(tablesText, [names]), await client.query(indexesText, [names]))
}
