import { MOST_TRANSACTIONS, type ServerLook } from '../server-look.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/**
 * What PostgreSQL says of itself. Of the sessions of others a role sees the transactions only with `pg_read_all_stats`: without
 * it none of them is told.
 */
export function inspectServer(client: Client, t: Tables): (transactionAge: number) => Promise<ServerLook> {
  const state = `
SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only,
  coalesce(sum(s.n_dead_tup), 0) AS dead, coalesce(sum(s.n_live_tup), 0) AS live,
  date_part('epoch', max(greatest(s.last_vacuum, s.last_autovacuum))) * 1000 AS cleaned,
  current_setting('autovacuum')::boolean AS autovacuum,
  coalesce(bool_or(c.reloptions && ARRAY['autovacuum_enabled=false', 'autovacuum_enabled=off', 'autovacuum_enabled=0', 'autovacuum_enabled=no']), false) AS off_here
FROM (SELECT to_regclass($1) AS events) AS o
LEFT JOIN pg_class AS c ON c.oid = o.events OR c.oid IN (SELECT p.relid FROM pg_partition_tree(o.events) AS p)
LEFT JOIN pg_stat_user_tables AS s ON s.relid = c.oid`
  // Only those that hold a snapshot or have written: the others keep nothing from being cleaned up.
  const open = `
SELECT concat_ws(', ', coalesce(nullif(application_name, ''), 'a session') || coalesce(' as ' || usename, ''), 'pid ' || pid, state) AS who,
  date_part('epoch', clock_timestamp() - xact_start) * 1000 AS age, 'SELECT pg_terminate_backend(' || pid || ')' AS done
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
  AND backend_type = 'client backend' AND xact_start < clock_timestamp() - $1::float8 * interval '1 millisecond'
UNION ALL
SELECT 'the prepared transaction ' || quote_literal(gid) || ' of ' || owner,
  date_part('epoch', clock_timestamp() - prepared) * 1000, 'ROLLBACK PREPARED ' || quote_literal(gid)
FROM pg_prepared_xacts
WHERE database = current_database() AND prepared < clock_timestamp() - $1::float8 * interval '1 millisecond'
ORDER BY 2 DESC LIMIT ${MOST_TRANSACTIONS}`

  return async (transactionAge) => {
    const [row] = await client.query(state, [t.events])
    const others = await client.query(open, [transactionAge])
    const cleaned = row?.['cleaned']
    const offHere = isTrue(row?.['off_here']) ? `ALTER TABLE ${t.events} RESET (autovacuum_enabled)` : undefined
    const offAtAll = isTrue(row?.['autovacuum'])
      ? undefined
      : 'ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf()'
    const off = offHere ?? offAtAll
    return {
      readOnly: isTrue(row?.['read_only']),
      openTransactions: others.map(({ who, age, done }) => ({
        who: String(who),
        age: Number(age),
        end: String(done),
      })),
      deadRows: {
        dead: Number(row?.['dead']),
        live: Number(row?.['live']),
        cleanedAt: cleaned == null ? null : new Date(Number(cleaned)),
        mend: `VACUUM (ANALYZE) ${t.events}`,
      },
      ...(off !== undefined && { autovacuumOff: off }),
    }
  }
}

/** Clients read booleans as they like. */
const isTrue = (value: unknown): boolean => value === true || value === 't' || value === 'true'
