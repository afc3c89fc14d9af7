import type { Pool } from 'pg'
import { idAfter, idAt, idBefore } from '../../src/store/postgres/partitions/cuts.ts'

const DAY = 86_400_000

/** The day of a partition that lies so many days back, in ms since 1970. */
export function dayBefore(days: number): number {
  return (Math.floor(Date.now() / DAY) - days) * DAY
}

/** Gives a partitioned, empty outbox the partitions of so many days that are over, as it would have had it been there then. */
export async function pastPartitions(pool: Pool, schema: string, days: number): Promise<void> {
  const events = `${schema}.outbox_events`
  const { rows } = await pool.query(
    `SELECT low, last FROM ${schema}.outbox_partitions WHERE name = 'outbox_events_default'`,
  )
  const { low: horizon, last } = rows[0] as { readonly low: string; readonly last: string }
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query(`ALTER TABLE ${events}_default DROP CONSTRAINT outbox_events_free`)
    for (let day = 1; day <= days; day++) {
      const [low, high] = [idAt(dayBefore(day)), idAt(dayBefore(day - 1))]
      if (low > last) continue
      const name = `outbox_events_p${new Date(dayBefore(day)).toISOString().slice(0, 10).replaceAll('-', '')}`
      const end = high > last ? idAfter(last) : high
      await client.query(
        `CREATE TABLE ${schema}.${name} PARTITION OF ${events} FOR VALUES FROM ('${low}') TO ('${end}') WITH (fillfactor = 50)`,
      )
      await client.query(`INSERT INTO ${schema}.outbox_partitions (low, last, name) VALUES ($1, $2, $3)`, [
        low,
        idBefore(end),
        name,
      ])
    }
    const first = idAt(dayBefore(days))
    await client.query(
      `ALTER TABLE ${events}_default ADD CONSTRAINT outbox_events_free CHECK (id < '${first}' OR id >= '${horizon}')`,
    )
    await client.query(`UPDATE ${schema}.outbox_partitions SET last = $1 WHERE name = 'outbox_events_default'`, [
      idBefore(first),
    ])
    await client.query('COMMIT')
  } finally {
    client.release()
  }
}
