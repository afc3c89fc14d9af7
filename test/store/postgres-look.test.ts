import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROWS_READ } from '../../src/store/outbox-look.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace } from './postgres-place.ts'

test('a look reads a bounded number of rows of each kind, also with the statistics of an empty table', {
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
  // More than a status counts row by row.
  for (const available of ['NULL', `timestamptz '9999-12-31 00:00:00+00'`, `now() + interval '1 day'`]) {
    await pool.query(`
      INSERT INTO ${table} (event_type, source, data, publisher_backend, status, available_at, partition_key, lane)
      SELECT 'a', '/b', '{}', 'main', 'pending', ${available}, 'k', g % 8 FROM generate_series(1, 30000) AS g`)
  }
  const entries = async (): Promise<number> => {
    await pool.query('SELECT pg_stat_force_next_flush()')
    const { rows } = await pool.query('SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = $1', [
      schema,
    ])
    return Number(rows[0].sum)
  }
  const before = await entries()
  const [main] = (await store.admin.look()).backends
  const read = (await entries()) - before
  assert.deepEqual(main?.ready, { count: ROWS_READ - 1, exact: false })
  assert.deepEqual(main?.blocked, { count: ROWS_READ - 1, exact: false })
  assert.deepEqual(main?.delayed, { count: ROWS_READ - 1, exact: false })
  assert.ok(read >= 3 * ROWS_READ && read < 3 * ROWS_READ + 1_000, `${read} entries`)
})

test('entries of the inbox: counted where they are few, estimated by pages beyond', {
  skip: skipWithout('postgres'),
}, async () => {
  const { pool, schema, close } = openPlace(servers.postgres()?.url ?? '', 1)
  await using closing = new AsyncDisposableStack()
  closing.defer(close)
  const store = postgres({ pool, schema, listen: false }) as Store
  closing.defer(() => store.close())
  await store.schema.migrate({ lanes: 8 })
  const table = `${schema}.outbox_inbox`
  await pool.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`)
  const enter = (from: number, to: number): Promise<unknown> =>
    pool.query(
      `INSERT INTO ${table} (consumer, source, event_id) SELECT 'billing', '/orders', gen_random_uuid() FROM generate_series(${from}, ${to})`,
    )
  const rows = async (): Promise<number> => (await store.admin.look()).inboxRows ?? -1
  await enter(1, 500)
  assert.equal(await rows(), 500, 'no statistics are needed')
  await enter(501, 50_000)
  const unanalysed = await rows()
  assert.ok(unanalysed > 25_000 && unanalysed < 100_000, `${unanalysed} before the first ANALYZE`)
  await pool.query(`ANALYZE ${table}`)
  await enter(50_001, 60_000)
  const analysed = await rows()
  assert.ok(analysed > 59_000 && analysed < 61_000, `${analysed}, from the pages of now`)
})
