import type { RowDataPacket } from 'mysql2/promise'
import type { PoolClient } from 'pg'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { StatementOptions } from '../../src/store/statement-limits.ts'
import type { Store } from '../../src/store/store.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { type ServerName, servers } from '../support/servers.ts'
import { openPlace as openMysqlPlace } from './mysql-place.ts'
import { openPlace as openPostgresPlace } from './postgres-place.ts'

/** A migrated outbox of one test, reached through a proxy, and what the test does to it from elsewhere. */
export interface LimitedPlace {
  /** On a pool of the application of `max` connections. */
  readonly store: Store
  readonly proxy: StoppableProxy
  /** On a pool of its own, through the proxy, too. */
  own(options?: StatementOptions): Store
  /** The application's own statement on the same pool. */
  ping(): Promise<unknown>
  /** Holds the lock on every lane, past the proxy, until the function is called. */
  lockLanes(): Promise<() => Promise<void>>
  /** Makes each connection that the pool has refuse to write, as one to a server that was demoted. */
  makeReadOnly(): Promise<void>
  /** What the application's sessions have as limits, to be compared. */
  settings(): Promise<unknown>
  /** The value that a transactional statement of a handler writes, as anybody else sees it. */
  written(): Promise<number>
  /** A statement for `write` on a handle. */
  write(tx: unknown): Promise<unknown>
  /** One that takes three seconds, if it is not cut. */
  sleep(tx: unknown): Promise<unknown>
  close(): Promise<void>
}

export interface LimitedKind {
  readonly name: ServerName
  readonly title: string
  open(options: StatementOptions, max?: number): Promise<LimitedPlace>
}

export const LIMITED_KINDS: readonly LimitedKind[] = [
  { name: 'postgres', title: 'PostgreSQL', open: openPostgres },
  { name: 'mariadb', title: 'MariaDB', open: (options, max) => openMysql('mariadb', options, max) },
  { name: 'mysql', title: 'MySQL', open: (options, max) => openMysql('mysql', options, max) },
]

async function openPostgres(options: StatementOptions, max = 10): Promise<LimitedPlace> {
  const server = new URL(servers.postgres()?.url ?? '')
  const direct = openPostgresPlace(server.href)
  const { schema } = direct
  await postgres({ pool: direct.pool, schema }).schema.migrate({ lanes: 4 })
  await direct.pool.query(`CREATE TABLE ${schema}.written (id integer)`)
  const proxy = await StoppableProxy.to(Number(server.port || 5432))
  server.port = String(proxy.port)
  const through = openPostgresPlace(server.href, max)
  const { pool } = through
  const store: Store = postgres({ pool, schema, listen: false, ...options }) as Store
  return {
    store,
    proxy,
    own: (own = {}) => postgres({ url: server.href, schema, listen: false, ...options, ...own }) as Store,
    ping: () => pool.query('SELECT 1'),
    async lockLanes() {
      const client = await direct.pool.connect()
      await client.query(`BEGIN; SELECT * FROM ${schema}.outbox_lanes FOR UPDATE`)
      return async () => {
        await client.query('ROLLBACK')
        client.release()
      }
    },
    async makeReadOnly() {
      const clients = await Promise.all(Array.from({ length: max }, () => pool.connect()))
      for (const client of clients) {
        await client.query('SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY')
        client.release()
      }
    },
    settings: async () =>
      (await pool.query(`SELECT current_setting('statement_timeout'), current_setting('lock_timeout')`)).rows,
    written: async () => (await direct.pool.query(`SELECT FROM ${schema}.written`)).rows.length,
    write: (tx) => (tx as PoolClient).query(`INSERT INTO ${schema}.written VALUES (1)`),
    sleep: (tx) => (tx as PoolClient).query('SELECT pg_sleep(3)'),
    async close() {
      proxy.silence(false)
      await store.close()
      await proxy.stop()
      await pool.end()
      await direct.close()
    },
  }
}

interface MysqlHandle {
  query(text: string): Promise<unknown>
}

async function openMysql(
  name: 'mariadb' | 'mysql',
  options: StatementOptions,
  connectionLimit = 10,
): Promise<LimitedPlace> {
  const direct = await openMysqlPlace(servers[name]()?.url ?? '')
  await mysql({ pool: direct.pool }).schema.migrate({ lanes: 4 })
  await direct.pool.query('CREATE TABLE written (id integer)')
  const url = new URL(direct.url)
  const proxy = await StoppableProxy.to(Number(url.port || 3306))
  url.port = String(proxy.port)
  const { createPool } = await import('mysql2/promise')
  const pool = createPool({ uri: url.href, connectionLimit })
  const store: Store = mysql({ pool, ...options }) as Store
  return {
    store,
    proxy,
    own: (own = {}) => mysql({ url: url.href, ...options, ...own }) as Store,
    ping: () => pool.query('SELECT 1'),
    async lockLanes() {
      const connection = await direct.pool.getConnection()
      await connection.beginTransaction()
      await connection.query('SELECT * FROM outbox_lanes FOR UPDATE')
      return async () => {
        await connection.rollback()
        connection.release()
      }
    },
    async makeReadOnly() {
      const all = await Promise.all(Array.from({ length: connectionLimit }, () => pool.getConnection()))
      for (const connection of all) {
        await connection.query('SET SESSION TRANSACTION READ ONLY')
        connection.release()
      }
    },
    settings: async () =>
      (await pool.query('SELECT @@innodb_lock_wait_timeout AS lock_wait, @@lock_wait_timeout AS metadata'))[0],
    written: async () => (await direct.pool.query<RowDataPacket[]>('SELECT id FROM written'))[0].length,
    write: (tx) => (tx as MysqlHandle).query('INSERT INTO written VALUES (1)'),
    sleep: (tx) => (tx as MysqlHandle).query('SELECT SLEEP(3)'),
    async close() {
      proxy.silence(false)
      await store.close()
      await proxy.stop()
      await pool.end().catch(() => undefined)
      await direct.close()
    },
  }
}
