import { randomBytes } from 'node:crypto'
import { Pool } from 'pg'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { StoreFixture } from '../../src/testing/store-conformance.ts'

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

/** The fixture of the conformance suite, on a server. */
export async function postgresFixture(url: string, listen: string = url): Promise<StoreFixture> {
  const { pool, schema, close } = openPlace(url)
  const options = { schema, listen: { connectionString: listen } }
  const store = postgres({ pool, ...options })
  await store.schema.migrate({ lanes: 8 })
  const elsewhere = `${schema}_2`
  return {
    store,
    async another() {
      return postgres({ connectionString: url, ...options })
    },
    async unmigrated() {
      return postgres({ pool, schema: elsewhere })
    },
    async close() {
      await pool.query(`DROP SCHEMA IF EXISTS ${elsewhere} CASCADE`)
      await store.close()
      await close()
    },
  }
}
