import { randomBytes } from 'node:crypto'
import { createPool, type Pool, type PoolOptions } from 'mysql2/promise'
import type { Clients } from '../../src/store/mysql/client.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { mysql2Clients } from '../../src/store/mysql/mysql2-client.ts'
import { openMysql2 } from '../../src/store/mysql/open-mysql2.ts'
import { resolveOptions } from '../../src/store/mysql/options.ts'
import type { StoreFixture } from '../../src/testing/store-conformance.ts'
import { setBack } from './set-back.ts'

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

/** A table with a column `seq`: the numbers from 1 to `count`, on either server. */
export function numbers(count: number): string {
  return `JSON_TABLE(CONCAT('[0', REPEAT(',0', ${count - 1}), ']'), '$[*]' COLUMNS (seq FOR ORDINALITY)) AS numbers`
}

/** Fixtures of the conformance suite, one after the other, on one database: to make the tables takes longer than a case. */
export class Fixtures {
  readonly place: Promise<Place>
  readonly #wrap: (pool: Pool) => Pool
  #wrapped: Pool | undefined

  /** `wrap` changes the pool that the store is given. */
  constructor(server: string, options: PoolOptions = {}, wrap: (pool: Pool) => Pool = (pool) => pool) {
    this.place = openPlace(server, options)
    this.#wrap = wrap
  }

  /** The store on empty tables. */
  async next(): Promise<StoreFixture> {
    const { pool, url } = await this.place
    this.#wrapped ??= this.#wrap(pool)
    const store = mysql({ pool: this.#wrapped })
    await store.schema.migrate({ lanes: 8 })
    for (const table of [
      'events',
      'lanes',
      'workers',
      'breakers',
      'destinations',
      'rates',
      'inbox',
      'audit',
      'operations',
      'undo',
      'flow',
      'outages',
      'duties',
    ])
      await pool.query(`DELETE FROM outbox_${table}`)
    return {
      store,
      async another() {
        return mysql({ url })
      },
      async unmigrated() {
        const beside = [
          'lanes',
          'workers',
          'breakers',
          'destinations',
          'rates',
          'inbox',
          'audit',
          'operations',
          'settings',
        ]
        const names = ['events', ...beside, 'undo', 'flow', 'outages', 'duties', 'migrations']
        await pool.query(`DROP TABLE IF EXISTS ${names.map((name) => `elsewhere_${name}`).join(', ')}`)
        return mysql({ pool, table: 'elsewhere_events' })
      },
      setBack: (duration) => setBack(store, 'mysql', duration),
      close: () => store.close(),
    }
  }

  async close(): Promise<void> {
    await (await this.place).close()
  }
}

/** The clients that a store on this pool has. */
export function clientsOf(pool: Pool): Clients {
  const options = resolveOptions({ pool })
  return mysql2Clients(openMysql2(options), options.statements)
}
