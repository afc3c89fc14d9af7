import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { openPlace as openMysqlPlace } from '../store/mysql-place.ts'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from './servers.ts'

/** A migrated, empty outbox that removes itself. */
export interface OpenStore {
  readonly store: Store
  close(): Promise<void>
}

/** One kind of store: `describe(name, { skip }, ...)`, then `open`. */
export interface StoreKind {
  readonly name: string
  readonly skip: string | false
  open(): Promise<OpenStore>
}

/** Every kind of store, each on a place of its own. */
export const STORES: readonly StoreKind[] = [
  {
    name: 'memory',
    skip: false,
    async open() {
      const store: Store = memoryStore() as Store
      return { store, close: () => store.close() }
    },
  },
  {
    name: 'sqlite',
    skip: false,
    async open() {
      const folder = mkdtempSync(join(tmpdir(), 'broadcaster-test-'))
      const store: Store = sqlite({ path: join(folder, 'outbox.db') }) as Store
      await store.schema.migrate()
      return {
        store,
        async close() {
          await store.close()
          rmSync(folder, { recursive: true })
        },
      }
    },
  },
  {
    name: 'postgres',
    skip: skipWithout('postgres'),
    async open() {
      const { pool, schema, close } = openPlace(servers.postgres()?.url ?? '')
      const store: Store = postgres({ pool, schema }) as Store
      await store.schema.migrate()
      return {
        store,
        async close() {
          await store.close()
          await close()
        },
      }
    },
  },
  mysqlKind('mariadb'),
  mysqlKind('mysql'),
]

function mysqlKind(name: 'mariadb' | 'mysql'): StoreKind {
  return {
    name,
    skip: skipWithout(name),
    async open() {
      const { pool, close } = await openMysqlPlace(servers[name]()?.url ?? '')
      const store: Store = mysql({ pool }) as Store
      await store.schema.migrate()
      return {
        store,
        async close() {
          await store.close()
          await close()
        },
      }
    },
  }
}
