import type { RowDataPacket } from 'mysql2/promise'
import { mysql } from '../src/store/mysql/mysql.ts'
import { postgres } from '../src/store/postgres/postgres.ts'
import type { Store } from '../src/store/store.ts'
import { numbers, openPlace as openMysqlPlace } from '../test/store/mysql-place.ts'
import { openPlace } from '../test/store/postgres-place.ts'
import { pastPartitions } from '../test/support/past-partitions.ts'
import { servers } from '../test/support/servers.ts'

/** Rows of one kind. */
export interface Rows {
  readonly count: number
  readonly status: 'pending' | 'published' | 'failed'
  readonly available: 'at once' | 'tomorrow' | 'never'
  /** One key and lane for all, or 1,000 keys over all lanes. */
  readonly blocked?: boolean
}

/** An outbox to fetch from, with the statistics of an empty table until `analyse`. */
export interface FetchOutbox {
  readonly store: Store
  insert(rows: Rows): Promise<void>
  analyse(): Promise<void>
  close(): Promise<void>
}

const DATA = '{"order":1,"text":"0123456789012345678901234567890123456789"}'
/** Rows of one transaction: the undo log of a million would outgrow a small server. */
const CHUNK = 100_000

/** By the name of the store. Each throws when its server is away. */
export const FETCH_OUTBOXES: Readonly<Record<string, (lanes: number, partitions?: number) => Promise<FetchOutbox>>> = {
  async postgres(lanes, partitions = 0) {
    const { pool, schema, close } = openPlace(urlOf('postgres'), 2)
    const store = postgres({ pool, schema, listen: false })
    await store.schema.migrate({ lanes })
    if (partitions > 0) {
      await store.schema.partition?.({ ahead: 3 })
      await pastPartitions(pool, schema, partitions - 6)
    }
    const { rows } = await pool.query(
      `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = $1::regnamespace AND relname LIKE 'outbox\\_events%'`,
      [schema],
    )
    for (const { name } of rows) {
      // Unlogged only to fill it faster.
      await pool.query(`ALTER TABLE ${name} SET UNLOGGED`)
      await pool.query(`ALTER TABLE ${name} SET (autovacuum_enabled = false)`)
    }
    // What is due was published today, the others whenever.
    const idOf = (status: string, available: string): string =>
      partitions === 0 || (status === 'pending' && available === 'at once')
        ? ''
        : `encode(overlay(uuid_send(gen_random_uuid()) placing substring(int8send(
          floor(date_part('epoch', now() - g % ${partitions - 6} * interval '1 day') * 1000)::bigint) from 3) from 1 for 6), 'hex')::uuid`
    await pool.query(`ANALYZE ${schema}.outbox_events`)
    await pool.query(`ALTER TABLE ${schema}.outbox_events DISABLE TRIGGER USER`)
    const at = {
      'at once': 'NULL',
      tomorrow: `now() + interval '1 day'`,
      never: `timestamptz '9999-12-31 00:00:00+00'`,
    } as const
    return {
      store: store as Store,
      async insert({ count, status, available, blocked = false }) {
        const id = idOf(status, available)
        await pool.query(`
          INSERT INTO ${schema}.outbox_events
            (${id === '' ? '' : 'id, '}event_type, source, data, publisher_backend, status, published_at, available_at, partition_key, lane)
          SELECT ${id === '' ? '' : `${id}, `}'order.created', '/orders', '${DATA}', 'default', '${status}',
            CASE '${status}' WHEN 'published' THEN now() END, ${at[available]},
            ${blocked ? `'blocked', 7` : `'k' || g % 1000, g % ${lanes}`}
          FROM generate_series(1, ${count}) AS g`)
      },
      async analyse() {
        await pool.query(`VACUUM ANALYZE ${schema}.outbox_events`)
      },
      close,
    }
  },

  mariadb: (lanes) => openMysql('mariadb', lanes),
  mysql: (lanes) => openMysql('mysql', lanes),
}

async function openMysql(server: 'mariadb' | 'mysql', lanes: number): Promise<FetchOutbox> {
  const { pool, close } = await openMysqlPlace(urlOf(server), { connectionLimit: 2 })
  const store = mysql({ pool })
  await store.schema.migrate({ lanes })
  await pool.query('ALTER TABLE outbox_events STATS_PERSISTENT = 1, STATS_AUTO_RECALC = 0')
  await pool.query('ANALYZE TABLE outbox_events')
  const at = { 'at once': 'NULL', tomorrow: 'UTC_TIMESTAMP(6) + INTERVAL 1 DAY', never: `'9999-12-31'` } as const
  return {
    store: store as Store,
    async insert({ count, status, available, blocked = false }) {
      for (let left = count; left > 0; left -= CHUNK) {
        await pool.query(`
            INSERT INTO outbox_events
              (event_type, source, data, publisher_backend, status, published_at, available_at, partition_key, lane)
            SELECT 'order.created', '/orders', '${DATA}', 'default', '${status}',
              CASE '${status}' WHEN 'published' THEN UTC_TIMESTAMP(6) END, ${at[available]},
              ${blocked ? `'blocked', 7` : `CONCAT('k', seq MOD 1000), seq MOD ${lanes}`}
            FROM ${numbers(Math.min(left, CHUNK))}`)
      }
    },
    async analyse() {
      await pool.query<RowDataPacket[]>('ANALYZE TABLE outbox_events')
    },
    close,
  }
}

function urlOf(name: 'postgres' | 'mariadb' | 'mysql'): string {
  const server = servers[name]()
  if (server === undefined) throw new Error(`no ${name}: start one with scripts/services`)
  return server.url
}
