import type { RelayStore } from '../relay-store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/**
 * Who holds the lock that an INSERT takes on the table before it draws a number from the sequence, and gives back after its events
 * can be seen. `-1/` is the name of a transaction that was prepared before the server started; old minor releases gave such a one to each
 * that was prepared, and so it is not known who has ended. Nor does the last number say anything where sessions keep some of them
 * for later (`CACHE`). `drawn` needs a right on the sequence, which a worker need not have.
 */
export function writers(client: Client, t: Tables): NonNullable<RelayStore['writers']> {
  const text = `
SELECT CAST(date_part('epoch', pg_postmaster_start_time()) AS text) AS server, w.running, w.renamed, (
  SELECT CAST(q.seqcache > 1 AS text) FROM pg_catalog.pg_sequence AS q
  WHERE q.seqrelid = pg_get_serial_sequence($1, 'seq')::regclass) AS kept, (
  SELECT CASE WHEN has_sequence_privilege(s.name, 'SELECT, USAGE') THEN CAST(coalesce(pg_sequence_last_value(s.name::regclass), 0) AS text) END
  FROM pg_get_serial_sequence($1, 'seq') AS s(name)) AS drawn
FROM (
  SELECT CAST(json_agg(DISTINCT l.virtualtransaction) AS text) AS running, CAST(bool_or(l.virtualtransaction LIKE '-1/%') AS text) AS renamed
  FROM pg_catalog.pg_locks AS l
  WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
    AND (l.relation = to_regclass($1) OR l.relation IN (SELECT p.relid FROM pg_partition_tree(to_regclass($1)) AS p))) AS w`
  return async () => {
    const [row] = await client.query(text, [t.events], 'keep')
    if (row?.['renamed'] === 'true' || row?.['kept'] === 'true') return undefined
    return {
      server: row?.['server'] ?? '',
      running: new Set(JSON.parse(row?.['running'] ?? '[]') as string[]),
      drawn: row?.['drawn'] == null ? undefined : Number(row['drawn']),
    }
  }
}
