import { randomBytes } from 'node:crypto'
import { createPool, type Pool, type PoolOptions } from 'mysql2/promise'
import { mysql } from '../../src/store/mysql/mysql.ts'
import type { StoreFixture } from '../../src/testing/store-conformance.ts'

/** A database of one test on a server, dropped at the end. */
export interface Place {
  readonly pool: Pool
  readonly database: string
  /** `mysql://...` of that database. */
  readonly url: string
  close(): Promise<void>
}

/** Makes an empty database and a pool on it. */
export async function openPlace(server: string, options: PoolOptions = {}): Promise<Place> {
  const database = `broadcaster_test_${randomBytes(6).toString('hex')}`
  const root = createPool({ uri: server, connectionLimit: 1 })
  await root.query(`CREATE DATABASE ${database}`)
  const url = new URL(server)
  url.pathname = `/${database}`
  const pool = createPool({ uri: url.href, connectionLimit: 8, ...options })
  return {
    pool,
    database,
    url: url.href,
    async close() {
      await pool.end()
      await root.query(`DROP DATABASE IF EXISTS ${database}`)
      await root.end()
    },
  }
}

/** The fixture of the conformance suite. */
export async function mysqlFixture(server: string, options: PoolOptions = {}): Promise<StoreFixture> {
  const { pool, url, close } = await openPlace(server, options)
  const store = mysql({ pool })
  await store.schema.migrate({ lanes: 8 })
  return {
    store,
    async another() {
      return mysql({ url })
    },
    async unmigrated() {
      return mysql({ pool, table: 'elsewhere_events' })
    },
    async close() {
      await store.close()
      await close()
    },
  }
}
