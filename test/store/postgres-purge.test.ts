import assert from 'node:assert/strict'
import { test } from 'node:test'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace } from './postgres-place.ts'

test('retention reads pages, and not the table for each of them, also with the statistics of an empty table', {
  skip: skipWithout('postgres'),
}, async () => {
  const { pool, schema, close } = openPlace(servers.postgres()?.url ?? '', 1)
  await using closing = new AsyncDisposableStack()
  closing.defer(close)
  const store = postgres({ pool, schema, listen: false }) as Store
  closing.defer(() => store.close())
  await store.schema.migrate({ lanes: 8 })
  const table = `${schema}.outbox_events`
  await pool.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`)
  await pool.query(`ANALYZE ${table}`)
  await pool.query(`
    INSERT INTO ${table} (event_type, source, data, publisher_backend, status, published_at, updated_at, lane)
    SELECT 'a', '/b', '{}', 'main', 'published', now(), now() - interval '1 day', g % 8 FROM generate_series(1, 30000) AS g`)
  const readIn = async (work: () => Promise<unknown>): Promise<number> => {
    const all = async (): Promise<number> => {
      await pool.query('SELECT pg_stat_force_next_flush()')
      const { rows } = await pool.query(
        `SELECT sum(t.seq_tup_read + i.read) AS read FROM pg_stat_user_tables AS t
         JOIN (SELECT relid, sum(idx_tup_read) AS read FROM pg_stat_user_indexes GROUP BY relid) AS i USING (relid)
         WHERE t.schemaname = $1 AND t.relname = 'outbox_events'`,
        [schema],
      )
      return Number(rows[0].read)
    }
    const before = await all()
    await work()
    return (await all()) - before
  }
  const { retention } = store
  const limits = {
    ages: { published: 0, failed: null, cancelled: null },
    upTo: { published: null, failed: null, cancelled: null },
  }
  const counted = await retention.census(null, 100)
  assert.equal(counted.groups[0]?.count, 100)
  assert.ok((await readIn(() => retention.census(counted.last, 100))) < 1_000)
  assert.ok((await readIn(() => retention.census(null, 100, counted.last))) < 1_000)
  const page = await retention.walk({ after: null, rows: 100, ...limits })
  assert.equal(page.events.length, 100)
  assert.ok((await readIn(() => retention.walk({ after: page.next, rows: 100, ...limits }))) < 1_000)
  assert.ok((await readIn(() => retention.remove(page.events))) < 1_000)
})
