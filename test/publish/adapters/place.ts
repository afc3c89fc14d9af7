import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PGlite } from '@electric-sql/pglite'
import { mysql } from '../../../src/store/mysql/mysql.ts'
import { postgres } from '../../../src/store/postgres/postgres.ts'
import { sqlite } from '../../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../../src/store/store.ts'
import { openPlace as openMysqlPlace } from '../../store/mysql-place.ts'
import { openPlace } from '../../store/postgres-place.ts'
import { servers, skipWithout } from '../../support/servers.ts'
import type { DatabaseName, Place } from './cell.ts'

interface Database {
  readonly skip: string | false
  open(): Promise<Place>
}

const UNMIGRATED = 'unmigrated_events'

const NOWHERE = { url: '', path: '', pglite: undefined }

/** How each database of the matrix is opened. */
export const PLACES: Readonly<Record<DatabaseName, Database>> = {
  postgres: {
    skip: skipWithout('postgres'),
    async open() {
      const url = servers.postgres()?.url ?? ''
      const { pool, schema, close } = openPlace(url, 4)
      const store = postgres({ pool, schema }) as Store
      await store.schema.migrate()
      await pool.query(`CREATE TABLE ${schema}.orders (id text PRIMARY KEY)`)
      return {
        ...NOWHERE,
        store,
        unmigrated: postgres({ pool, schema, table: UNMIGRATED }) as Store,
        url,
        orders: `${schema}.orders`,
        orderIds: async () => idsOf((await pool.query(`SELECT id FROM ${schema}.orders`)).rows),
        async close() {
          await store.close()
          await close()
        },
      }
    },
  },
  mariadb: mysqlDatabase('mariadb'),
  mysql: mysqlDatabase('mysql'),
  pglite: {
    skip: false,
    async open() {
      const pglite = await PGlite.create()
      const store = postgres({ pglite }) as Store
      await store.schema.migrate()
      await pglite.exec('CREATE TABLE orders (id text PRIMARY KEY)')
      return {
        ...NOWHERE,
        store,
        unmigrated: postgres({ pglite, table: UNMIGRATED }) as Store,
        pglite,
        orders: 'orders',
        orderIds: async () => idsOf((await pglite.query<{ id: string }>('SELECT id FROM orders')).rows),
        async close() {
          await store.close()
          await pglite.close()
        },
      }
    },
  },
  sqlite: {
    skip: false,
    async open() {
      const folder = mkdtempSync(join(tmpdir(), `broadcaster-cell-${randomBytes(4).toString('hex')}-`))
      const path = join(folder, 'shop.db')
      const store = sqlite({ path }) as Store
      await store.schema.migrate()
      using database = new DatabaseSync(path)
      database.exec('CREATE TABLE orders (id TEXT PRIMARY KEY)')
      return {
        ...NOWHERE,
        store,
        unmigrated: sqlite({ path, table: UNMIGRATED }) as Store,
        path,
        orders: 'orders',
        async orderIds() {
          using reader = new DatabaseSync(path)
          return idsOf(reader.prepare('SELECT id FROM orders').all())
        },
        async close() {
          await store.close()
          rmSync(folder, { recursive: true })
        },
      }
    },
  },
}

function mysqlDatabase(server: 'mariadb' | 'mysql'): Database {
  return {
    skip: skipWithout(server),
    async open() {
      const { pool, url, close } = await openMysqlPlace(servers[server]()?.url ?? '')
      const store = mysql({ pool }) as Store
      await store.schema.migrate()
      await pool.query('CREATE TABLE orders (id varchar(255) PRIMARY KEY)')
      return {
        ...NOWHERE,
        store,
        unmigrated: mysql({ pool, table: UNMIGRATED }) as Store,
        url,
        orders: 'orders',
        async orderIds() {
          const [rows] = await pool.query('SELECT id FROM orders')
          return idsOf(rows as unknown[])
        },
        async close() {
          await store.close()
          await close()
        },
      }
    },
  }
}

function idsOf(rows: readonly unknown[]): readonly string[] {
  return rows.map((row) => (row as { readonly id: string }).id).sort()
}
