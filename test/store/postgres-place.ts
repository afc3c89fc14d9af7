import { randomBytes } from 'node:crypto'
import { Pool } from 'pg'
import type { Clients } from '../../src/store/postgres/client.ts'
import { openPg } from '../../src/store/postgres/open-pg.ts'
import { resolveOptions } from '../../src/store/postgres/options.ts'
import { pgClients } from '../../src/store/postgres/pg-client.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import type { StoreFixture } from '../../src/testing/store-conformance.ts'
import { setBack } from './set-back.ts'

/** A schema of one test in a PostgreSQL, dropped at the end. */
export interface Place {
  readonly pool: Pool
  readonly schema: string
  close(): Promise<void>
}

/** Makes the name of a schema and a pool; the schema itself is made by the migration. */
export function openPlace(url: string, max = 8): Place {
  const schema = `broadcaster_test_${randomBytes(6).toString('hex')}`
  const pool = new Pool({ connectionString: url, max })
  return {
    pool,
    schema,
    async close() {
      await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await pool.end()
    },
  }
}

/** Fixtures of the conformance suite, one after the other, in one schema: to make the tables takes longer than a case. */
export class Fixtures {
  readonly #place: Place
  readonly #url: string
  readonly #listen: string
  readonly #partitioned: boolean

  /** `listen`: where notifications come from, past a pooler. `partitioned`: the events table has partitions. */
  constructor(url: string, listen: string = url, partitioned = false) {
    this.#partitioned = partitioned
    this.#place = openPlace(url)
    this.#url = url
    this.#listen = listen
  }

  /** The store on empty tables. */
  async next(): Promise<StoreFixture> {
    const { pool, schema } = this.#place
    const options = { schema, listen: { url: this.#listen } }
    const store = postgres({ pool, ...options })
    await store.schema.migrate({ lanes: 8 })
    if (this.#partitioned) await store.schema.partition?.({ ahead: 1 })
    const names = [
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
      'duties',
      'flow',
      'outages',
    ]
    const tables = names.map((name) => `${schema}.outbox_${name}`)
    if (this.#partitioned) tables.push(`${schema}.outbox_identities`)
    await pool.query(`TRUNCATE ${tables.join(', ')}`)
    const elsewhere = `${schema}_2`
    return {
      store,
      another: async () => postgres({ url: this.#url, ...options }),
      async unmigrated() {
        await pool.query(`DROP SCHEMA IF EXISTS ${elsewhere} CASCADE`)
        return postgres({ pool, schema: elsewhere })
      },
      setBack: (duration) => setBack(store as Store, 'postgres', duration, `${schema}.`),
      close: () => store.close(),
    }
  }

  async close(): Promise<void> {
    const { pool, schema, close } = this.#place
    await pool.query(`DROP SCHEMA IF EXISTS ${schema}_2 CASCADE`)
    await close()
  }
}

/** The clients that a store on this pool has. */
export function clientsOf(pool: Pool): Clients {
  const options = resolveOptions({ pool })
  return pgClients(openPg(options), options.statements)
}
