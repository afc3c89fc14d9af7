import type { OldPartition, PartitionPage, PartitionRow, PartitionStore } from '../../retention-store.ts'
import { admin } from '../admin.ts'
import { OF_INDEXES, readByIndex } from '../by-index.ts'
import type { Client } from '../client.ts'
import { lockMigrations } from '../schema/takeover/take-over.ts'
import { counts, settledAt, version } from '../settled-rows.ts'
import type { Tables } from '../tables.ts'
import { UNSETTLED } from '../values.ts'
import { LOCK_WAIT, MOST_BYTES, makeAhead } from './ahead.ts'
import { bareIn, FIRST_ID, idAfter, LAST_ID, qualify, timeOf } from './cuts.ts'
import { freeOf } from './ddl.ts'
import { isPartitioned } from './is-partitioned.ts'
import { columnsOf, storedBytes, takeBack } from './rows.ts'

/** Rows that are moved while nobody can publish, at most. */
const MOST_MOVED = 1_000
/** What is due so soon may be read by a statement that began before, in ms: more than any may take. */
const SOON = 300_000

/** The transaction that wrote a row, with its epoch, which the row has not: the last one of this number. */
const WRITER = `greatest(3, w.next - ((w.next - p.changed::text::bigint) & 4294967295))::text::xid8`
const NEXT = `(SELECT txid_snapshot_xmax(txid_current_snapshot()) AS next) AS w`
/** Settled after the partition was looked through: by its time, or, as the clock may have been set back, by what was over then. */
const isLate = (at: string, seen: string): string => `(${settledAt('p')} >= to_timestamp(${at}::float8 / 1000)
  OR NOT pg_visible_in_snapshot(${WRITER}, ${seen}::pg_snapshot))`

/**
 * What becomes of partitions whose time is over. Each step is a short transaction, and any may be the last. `prover`: what reads the
 * whole default, which may take longer than a statement of a worker.
 */
export function partitions(client: Client, t: Tables, prover: Client): PartitionStore {
  const partitioned = isPartitioned(client, t)
  const rest = bareIn(t, 'default')
  const tableOf = ({ name }: OldPartition): string => qualify(t, name)

  /** Under the locks of a transaction: what of a partition must stay, or undefined = it is still at work. */
  const unsettled = async (on: Pick<Client, 'query'>, table: string): Promise<readonly string[] | undefined> => {
    const [busy] = await on.query(`
SELECT EXISTS (SELECT FROM ${table} WHERE available_at IS NULL AND status IN ${UNSETTLED}) OR EXISTS (
  SELECT FROM ${table} WHERE available_at IS NOT NULL AND status IN ${UNSETTLED}
    AND available_at <= clock_timestamp() + ${SOON} * interval '1 millisecond') AS busy`)
    if (busy?.['busy'] === 't') return undefined
    const rows = await on.query(`
(SELECT id FROM ${table} WHERE available_at IS NOT NULL AND status IN ${UNSETTLED} LIMIT ${MOST_MOVED + 1})
UNION
(SELECT id FROM ${table} WHERE status IN ('retry', 'failed') AND available_at IS NOT NULL LIMIT ${MOST_MOVED + 1})`)
    return rows.map(({ id }) => id ?? '')
  }

  return {
    async list() {
      if (!(await partitioned())) return []
      const rows = await client.query(
        `
SELECT p.low, p.last, p.name, date_part('epoch', clock_timestamp()) * 1000 AS now, date_part('epoch', p.looked_at) * 1000 AS looked,
  coalesce(p.looked_in, pg_current_snapshot()) AS seen
FROM ${t.partitions} AS p, ${t.partitions} AS a
WHERE p.name <> ALL ($1::text[]) AND a.name = $2
  -- The last one stays: it says how long those are that are made next.
  AND (p.looked_at IS NOT NULL OR p.low < (SELECT b.low FROM ${t.partitions} AS b
    WHERE b.low < a.low AND b.low <= b.last ORDER BY b.low DESC LIMIT 1))
ORDER BY p.low`,
        [[rest, bareIn(t, 'ahead')], bareIn(t, 'ahead')],
      )
      return rows.map((row) => ({
        name: row['name'] ?? '',
        first: row['low'] ?? '',
        last: row['last'] ?? '',
        age: Number(row['now']) - timeOf(row['last'] ?? ''),
        isDetached: row['looked'] != null,
        lookedAt: Number(row['looked'] ?? row['now']),
        lookedIn: row['seen'] ?? '',
      }))
    },

    async makeAhead() {
      if (await partitioned()) await makeAhead(client, t, { prover })
    },

    async page(partition, after, rows) {
      const text = `
WITH page AS MATERIALIZED (
  SELECT e.id, e.event_type, e.status, e.published_at, e.updated_at, e.available_at, e.xmin AS changed
  FROM ${tableOf(partition)} AS e
  WHERE e.id > $1::uuid ORDER BY e.id LIMIT $2
)
SELECT json_build_object(
  'groups', (SELECT coalesce(json_agg(json_build_object('status', g.status, 'eventType', g.event_type, 'counts', g.counts,
      'isLate', g.late, 'count', g.count, 'age', g.age, 'place', g.place)), '[]')
    FROM (SELECT p.status, p.event_type, ${counts('p')} AS counts, ${isLate('$3', '$4')} AS late, count(*) AS count, max(p.id::text) AS place,
        min(date_part('epoch', statement_timestamp() - ${settledAt('p')}) * 1000) AS age
      FROM page AS p, ${NEXT} GROUP BY 1, 2, 3, 4) AS g),
  'last', (SELECT id FROM page ORDER BY id DESC LIMIT 1))::text AS page`
      const [row] = await readByIndex(client, text, [after ?? FIRST_ID, rows, partition.lookedAt, partition.lookedIn])
      return JSON.parse(row?.['page'] ?? '') as PartitionPage
    },

    async rows(partition, after, last) {
      const text = `
SELECT coalesce(json_agg(json_build_object('id', p.id, 'eventType', p.event_type, 'status', p.status,
  'age', date_part('epoch', statement_timestamp() - ${settledAt('p')}) * 1000, 'place', p.id, 'counts', ${counts('p')},
  'isLate', ${isLate('$3', '$4')}, 'version', ${version('p')}) ORDER BY p.id), '[]')::text AS rows
FROM (SELECT e.*, e.xmin AS changed FROM ${tableOf(partition)} AS e WHERE e.id > $1::uuid AND e.id <= $2::uuid) AS p, ${NEXT}`
      const [row] = await client.query(text, [after ?? FIRST_ID, last, partition.lookedAt, partition.lookedIn])
      return JSON.parse(row?.['rows'] ?? '') as PartitionRow[]
    },

    async isAtRest(partition) {
      return client.snapshot(async (tx) => {
        await tx.query(OF_INDEXES)
        const staying = await unsettled(tx, tableOf(partition))
        return staying !== undefined && staying.length <= MOST_MOVED
      })
    },

    detach(partition, staying) {
      return client.transaction(async (tx) => {
        await tx.query(`SELECT set_config('lock_timeout', $1, true)`, [`${LOCK_WAIT}ms`])
        await lockMigrations(tx, t)
        const [cut] = await tx.query(
          `SELECT p.looked_at IS NOT NULL AS detached, d.low AS horizon FROM ${t.partitions} AS p, ${t.partitions} AS d WHERE p.name = $1 AND d.name = $2`,
          [partition.name, rest],
        )
        if (cut === undefined || cut['detached'] === 't') return 'elsewhere'
        // First the table itself: whoever waits behind this lock holds none of a partition.
        await tx.script(`LOCK TABLE ONLY ${t.events} IN ACCESS EXCLUSIVE MODE`)
        await tx.query(OF_INDEXES)
        const table = tableOf(partition)
        const others = await unsettled(tx, table)
        const all = [...new Set([...(others ?? []), ...staying])]
        if (others === undefined || all.length > MOST_MOVED || (await bytesOf(tx, table, all)) > MOST_BYTES)
          return 'stays'
        const low = idAfter(partition.last)
        await tx.script(`ALTER TABLE ${t.events} DETACH PARTITION ${table};
ALTER TABLE ${qualify(t, rest)} DROP CONSTRAINT IF EXISTS ${t.index('free')};
${freeOf(t, low, cut['horizon'] ?? LAST_ID, ' NOT VALID')}`)
        await takeBack(tx, t, table, await columnsOf(tx, t), 'e.id = ANY ($1::uuid[])', [all])
        const looked = `UPDATE ${t.partitions} SET looked_at = to_timestamp($2::float8 / 1000), looked_in = $3::pg_snapshot WHERE name = $1`
        await tx.query(looked, [partition.name, partition.lookedAt, partition.lookedIn])
        await tx.query(`UPDATE ${t.partitions} SET last = $2::uuid WHERE name = $1`, [rest, partition.last])
        return 'detached'
      })
    },

    giveBack(partition, ids) {
      return client.transaction(async (tx) => {
        await lockMigrations(tx, t)
        if (!(await isThere(tx, tableOf(partition)))) return
        await takeBack(tx, t, tableOf(partition), await columnsOf(tx, t), 'e.id = ANY ($1::uuid[])', [ids])
      })
    },

    async forget(partition, after, last) {
      await client.query(
        `DELETE FROM ${t.identities} AS i USING ${tableOf(partition)} AS e
WHERE e.id > $1::uuid AND e.id <= $2::uuid AND e.event_id IS NOT NULL AND i.id = e.id
  AND i.source = e.source AND i.event_id = e.event_id AND i.publisher_backend = e.publisher_backend`,
        [after ?? FIRST_ID, last],
      )
    },

    drop(partition) {
      return client.transaction(async (tx) => {
        await lockMigrations(tx, t)
        const gone = await tx.query(
          `DELETE FROM ${t.partitions} WHERE name = $1 AND looked_at IS NOT NULL RETURNING name`,
          [partition.name],
        )
        if (gone.length > 0) await tx.script(`DROP TABLE IF EXISTS ${tableOf(partition)}`)
        return gone.length > 0
      })
    },

    contents: (partition) => admin(client, { ...t, events: tableOf(partition) }),
  }
}

/** As they are stored: what is kept apart is not read. */
async function bytesOf(on: Pick<Client, 'query'>, table: string, ids: readonly string[]): Promise<number> {
  const text = `SELECT ${storedBytes('e')} AS bytes FROM ${table} AS e WHERE e.id = ANY ($1::uuid[])`
  return Number((await on.query(text, [ids]))[0]?.['bytes'])
}

async function isThere(on: Pick<Client, 'query'>, table: string): Promise<boolean> {
  const [row] = await on.query('SELECT to_regclass($1) AS found FROM pg_catalog.pg_class LIMIT 1', [table])
  return row?.['found'] != null
}
