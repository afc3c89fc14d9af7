import { randomUUID } from 'node:crypto'
import type { Archive } from '../../src/retention/archive.ts'
import { CleanUp } from '../../src/retention/clean-up.ts'
import { type Rules, ruleOf } from '../../src/retention/rules.ts'
import { idAt } from '../../src/store/postgres/partitions/cuts.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { openPlace, type Place } from '../store/postgres-place.ts'
import { dayBefore, pastPartitions } from '../support/past-partitions.ts'

export const DAY = 86_400_000

/** An id of version 7, made in the morning so many days ago. */
export const v7 = (days: number): string => {
  const id = idOf(days)
  return `${id.slice(0, 14)}7${id.slice(15)}`
}

/** The same, of whatever version. */
export const idOf = (days: number): string => idAt(dayBefore(days) + 3_600_000).slice(0, 14) + randomUUID().slice(14)

/** Rules by age alone. */
export const keeps = (published: number, failed = 30 * DAY): Rules => [
  ruleOf(() => true, { published, failed, cancelled: failed }, { published: null, failed: null, cancelled: null }),
]

/** An outbox with partitions. */
export class PartitionedOutbox {
  readonly place: Place
  readonly store: Store

  constructor(url: string) {
    this.place = openPlace(url, 12)
    this.store = postgres({ pool: this.place.pool, schema: this.place.schema, listen: false }) as Store
  }

  /** Made anew, and empty, with partitions of so many days that are over. */
  async reset(days = 12): Promise<void> {
    const { pool, schema } = this.place
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await this.store.schema.migrate({ lanes: 8 })
    await this.store.schema.partition?.({ ahead: 2 })
    await pastPartitions(pool, schema, days)
  }

  async close(): Promise<void> {
    await this.store.close()
    await this.place.close()
  }

  /** The text, with the names of its tables qualified. */
  text(text: string): string {
    return text.replaceAll('outbox_', `${this.place.schema}.outbox_`)
  }

  async sql(text: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
    return (await this.place.pool.query(this.text(text), [...values])).rows
  }

  /** An event that was published, or is otherwise settled or waiting, as long ago as its id says. */
  async put(
    id: string,
    {
      days = 10,
      status = 'published',
      available = null,
      key = null,
      scheduled = days,
      type = 'a',
      eventId = null,
    }: Record<string, unknown> = {},
  ): Promise<string> {
    const at = new Date(dayBefore(Number(days)) + 3_700_000)
    await this.sql(
      `INSERT INTO outbox_events (id, event_type, source, status, created_at, updated_at, published_at, available_at, partition_key, scheduled_at, lane, publisher_backend, event_id)
VALUES ($1, $2, '/s', $3::text, $4, $4, CASE WHEN $3::text = 'published' THEN $4::timestamptz END, $5, $6, $7, 3, 'main', $8)`,
      [id, type, status, at, available, key, new Date(dayBefore(Number(scheduled))), eventId],
    )
    return id
  }

  async ids(from = 'outbox_events'): Promise<readonly unknown[]> {
    return (await this.sql(`SELECT id FROM ${from} ORDER BY id`)).map(({ id }) => id)
  }

  /** The partitions of times that are over. */
  async names(): Promise<readonly unknown[]> {
    const text = `SELECT name FROM outbox_partitions WHERE name LIKE '%\\_p%' AND last < $1 ORDER BY low`
    return (await this.sql(text, [idAt(dayBefore(0))])).map(({ name }) => name)
  }

  /** Resolves with how many events went. */
  async cleanUp(rules: Rules, archive?: Archive, store = this.store): Promise<number> {
    let count = 0
    await new CleanUp(store.retention, rules, archive, undefined, true).run({
      onRemoved: (n) => {
        count += n
      },
      rest: async () => true,
    })
    return count
  }
}
