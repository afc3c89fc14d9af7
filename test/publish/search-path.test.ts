import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { Pool } from 'pg'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { POSTGRES_SERVERS } from '../support/postgres-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'

/** Two tenants, each with a schema of its own that the search path alone tells. */

for (const { name, title } of POSTGRES_SERVERS) {
  describe(`the search path of a session on ${title}`, { skip: skipWithout(name) }, () => {
    const url = servers[name]()?.url ?? ''

    test('leads neither outbox_capture nor outbox_publish to the outbox of another tenant', async () => {
      const id = randomBytes(6).toString('hex')
      const tenants = [`tenant_a_${id}`, `tenant_b_${id}`] as const
      const admin = new Pool({ connectionString: url, max: 1 })
      try {
        for (const tenant of tenants) {
          await admin.query(`CREATE SCHEMA ${tenant}`)
          const pool = new Pool({ connectionString: url, options: `-c search_path=${tenant}`, max: 4 })
          const store = postgres({ pool, listen: false })
          await store.schema.migrate()
          await pool.query('CREATE TABLE orders (id integer PRIMARY KEY)')
          const sql = await store.schema.capture?.({ table: 'orders' })
          assert.ok(sql)
          // Through a session that would make it elsewhere.
          await admin.query(`SET search_path = public; ${sql}`)
          await store.close()
          await pool.end()
        }
        const [a, b] = tenants
        const count = async (tenant: string): Promise<number> =>
          Number((await admin.query(`SELECT count(*) AS n FROM ${tenant}.outbox_events`)).rows[0]?.n)

        await admin.query(`SET search_path = ${b}; INSERT INTO ${a}.orders VALUES (1)`)
        assert.deepEqual([await count(a), await count(b)], [1, 0], 'captured')
        await admin.query(`SELECT ${a}.outbox_publish('order.created', '/orders')`)
        assert.deepEqual([await count(a), await count(b)], [2, 0], 'published')
        await admin.query(`CREATE TEMPORARY TABLE outbox_events (LIKE ${a}.outbox_events INCLUDING ALL);
          INSERT INTO ${a}.orders VALUES (2)`)
        assert.deepEqual([await count(a), await count(b)], [3, 0], 'a temporary table of the same name')
        await admin.query(`INSERT INTO ${b}.orders VALUES (1)`)
        assert.deepEqual([await count(a), await count(b)], [3, 1], 'its own')
      } finally {
        for (const tenant of tenants) await admin.query(`DROP SCHEMA IF EXISTS ${tenant} CASCADE`)
        await admin.end()
      }
    })
  })
}
