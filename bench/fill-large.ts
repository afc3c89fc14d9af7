import type { Pool } from 'pg'

/** How many rows of each kind. */
export interface LargeOutbox {
  /** In all, but for those that failed. */
  readonly rows: number
  /** Of them not delivered. */
  readonly pending: number
  /** Of those behind a blocked key. */
  readonly stuck: number
  /** That failed, of keys of their own, with ten causes. */
  readonly failed?: number
}

/** Fills an events table on PostgreSQL by SQL: to publish and deliver so many would take longer than all the rest. Returns the seconds it took. */
export async function fillLarge(
  pool: Pool,
  table: string,
  { rows, pending, stuck, failed = 0 }: LargeOutbox,
): Promise<number> {
  const start = performance.now()
  // Unlogged, and without triggers, only to be filled faster.
  await pool.query(`ALTER TABLE ${table} SET UNLOGGED`)
  await pool.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`)
  await pool.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`)
  const insert = (count: number, status: string, available: string, key: string, error = `''`): Promise<unknown> =>
    pool.query(`
      INSERT INTO ${table} (event_type, source, data, publisher_backend, status, published_at, available_at, last_error, partition_key, lane)
      SELECT 'order.created', '/orders', '{"order":1,"text":"0123456789012345678901234567890123456789"}', 'default',
        '${status}', CASE '${status}' WHEN 'published' THEN now() END, ${available}, ${error}, ${key}
      FROM generate_series(1, ${count}) AS g`)
  const spread = `'k' || g % 1000, g % 64`
  const never = `timestamptz '9999-12-31 00:00:00+00'`
  await insert(rows - pending, 'published', 'NULL', spread)
  await insert(1, 'failed', never, `'blocked', 7`)
  await insert(stuck, 'pending', never, `'blocked', 7`)
  await insert(pending - stuck, 'pending', 'NULL', spread)
  if (failed > 0) {
    const error = `'the answer was 50' || g % 10 || ' to order ' || g || ' [SEND_FAILED]'`
    await insert(failed, 'failed', never, `'f' || g, g % 64`, error)
  }
  return (performance.now() - start) / 1_000
}
