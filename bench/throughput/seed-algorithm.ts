import type { Pool } from 'pg'

/** The two commands it needs of a Redis client. */
export interface SeedRedis {
  ping(): Promise<unknown>
  sendCommand(args: string[]): Promise<unknown>
}

/**
 * The delivery algorithm of Django Broadcaster, as `docs/from-django.md` describes it: select a batch, then one event
 * at a time lock it, mark it `processing`, commit, ask the broker how it is, send, mark it `published`, commit.
 */
export async function processPendingEvents(
  pool: Pool,
  redis: SeedRedis,
  table: string,
  stream: string,
  batchSize = 100,
): Promise<number> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT id FROM ${table} WHERE status IN ('pending', 'retry') AND scheduled_at <= now() ORDER BY created_at LIMIT $1`,
    [batchSize],
  )
  let published = 0
  const client = await pool.connect()
  try {
    for (const { id } of rows) {
      await client.query('BEGIN')
      const locked = await client.query(`SELECT * FROM ${table} WHERE id = $1 FOR UPDATE`, [id])
      const event = locked.rows[0]
      if (event === undefined || event.status === 'processing') {
        await client.query('COMMIT')
        continue
      }
      await client.query(`UPDATE ${table} SET status = 'processing', updated_at = now() WHERE id = $1`, [id])
      await client.query('COMMIT')
      await redis.ping()
      const cloudEvent = JSON.stringify({
        specversion: '1.0',
        id,
        type: event.event_type,
        source: event.source,
        data: event.data,
      })
      await redis.sendCommand([
        'XADD',
        stream,
        'MAXLEN',
        '~',
        '1000000',
        '*',
        'event_id',
        id,
        'event_type',
        event.event_type,
        'source',
        event.source,
        'timestamp',
        event.created_at.toISOString(),
        'cloud_event',
        cloudEvent,
      ])
      await client.query('BEGIN')
      await client.query(
        `UPDATE ${table} SET status = 'published', published_at = now(), updated_at = now() WHERE id = $1`,
        [id],
      )
      await client.query('COMMIT')
      published++
    }
  } finally {
    client.release()
  }
  return published
}
