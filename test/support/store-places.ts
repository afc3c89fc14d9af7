import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createPool, type RowDataPacket } from 'mysql2/promise'
import { Pool } from 'pg'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { type ServerName, servers } from './servers.ts'

/** An outbox as another process finds it. */
export type StorePlace =
  | { readonly kind: 'postgres'; readonly url: string; readonly schema: string }
  | { readonly kind: 'mysql'; readonly url: string }
  | { readonly kind: 'sqlite'; readonly path: string }

/** An outbox of this test's own. */
export interface PlacedStore {
  readonly place: StorePlace
  readonly store: Store
  /** Looks at a table past the store: the query names it `outbox_...`. */
  look(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Closes and removes it. */
  close(): Promise<void>
}

interface PlacedStoreKind {
  readonly name: 'postgres' | 'mariadb' | 'mysql' | 'sqlite'
  readonly server: ServerName | undefined
  open(): Promise<PlacedStore>
}

/** The kinds of store, and the server that each needs. */
export const PLACED_STORES: readonly PlacedStoreKind[] = [
  {
    name: 'postgres',
    server: 'postgres',
    async open() {
      const url = servers.postgres()?.url ?? ''
      const schema = `place_${randomBytes(4).toString('hex')}`
      const pool = new Pool({ connectionString: url, max: 6 })
      return {
        place: { kind: 'postgres', url, schema },
        store: postgres({ pool, schema }) as Store,
        look: async (sql) => (await pool.query(sql.replaceAll('outbox_', `${schema}.outbox_`))).rows,
        async close() {
          await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
          await pool.end()
        },
      }
    },
  },
  mysqlStore('mariadb'),
  mysqlStore('mysql'),
  {
    name: 'sqlite',
    server: undefined,
    async open() {
      const folder = mkdtempSync(join(tmpdir(), 'broadcaster-place-'))
      const path = join(folder, 'outbox.db')
      const store = sqlite({ path }) as Store
      let database: DatabaseSync | undefined
      return {
        place: { kind: 'sqlite', path },
        store,
        async look(sql) {
          database ??= new DatabaseSync(path, { timeout: 5_000 })
          return database.prepare(sql).all()
        },
        async close() {
          database?.close()
          await store.close()
          rmSync(folder, { recursive: true })
        },
      }
    },
  },
]

/** Opens the store of a process that will be killed; it is closed with its process. */
export function openStore(place: StorePlace): { readonly store: Store; close(): Promise<void> } {
  if (place.kind === 'sqlite') {
    const store = sqlite({ path: place.path }) as Store
    return { store, close: () => store.close() }
  }
  if (place.kind === 'mysql') {
    const store = mysql({ url: place.url }) as Store
    return { store, close: () => store.close() }
  }
  const pool = new Pool({ connectionString: place.url, max: 4 })
  return { store: postgres({ pool, schema: place.schema }) as Store, close: () => pool.end() }
}

function mysqlStore(name: 'mariadb' | 'mysql'): PlacedStoreKind {
  return {
    name,
    server: name,
    async open() {
      const server = servers[name]()?.url ?? ''
      const database = `place_${randomBytes(4).toString('hex')}`
      const root = createPool({ uri: server, connectionLimit: 1 })
      await root.query(`CREATE DATABASE ${database}`)
      const url = new URL(server)
      url.pathname = `/${database}`
      const pool = createPool({ uri: url.href, connectionLimit: 6 })
      return {
        place: { kind: 'mysql', url: url.href },
        store: mysql({ pool }) as Store,
        look: async (sql) => (await pool.query<RowDataPacket[]>(sql))[0],
        async close() {
          await pool.end()
          await root.query(`DROP DATABASE ${database}`)
          await root.end()
        },
      }
    },
  }
}
