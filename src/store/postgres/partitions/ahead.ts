import type { Client, ClientTransaction } from '../client.ts'
import { lockMigrations } from '../schema/takeover/take-over.ts'
import type { Tables } from '../tables.ts'
import {
  bareIn,
  beginOf,
  type Cut,
  cutsFrom,
  idAfter,
  LENGTH,
  type PartitionInterval,
  qualify,
  timeOf,
} from './cuts.ts'
import { createPartition } from './ddl.ts'
import { columnsOf, takeBack } from './rows.ts'

/** How long it waits for the table, in ms: all who come later wait behind it. */
export const LOCK_WAIT = 100
/** More rows are not moved, and not looked through, while others wait. */
const MOST_ROWS = 10_000

/**
 * Makes the partitions of the intervals to come, out of the range that is kept for what comes after the last. Resolves with how many
 * were made. Throws `STORE_BUSY` when the table cannot be locked: there is time until the next clean-up.
 */
export async function makeAhead(client: Client, t: Tables, ahead: number): Promise<number> {
  if ((await missing(client, t, ahead)).length === 0) return 0
  // Proven once, beside all traffic; a partition that is made then looks for no row of its own in the default.
  await prove(client, t)
  return client.transaction(async (tx) => {
    await tx.query(`SELECT set_config('lock_timeout', $1, true)`, [`${LOCK_WAIT}ms`])
    await lockMigrations(tx, t)
    const cuts = await missing(tx, t, ahead)
    const last = cuts.at(-1)
    if (last === undefined) return 0
    await tx.script(`LOCK TABLE ONLY ${t.events} IN ACCESS EXCLUSIVE MODE`)
    const rest = qualify(t, bareIn(t, 'ahead'))
    const [rows] = await tx.query(`SELECT count(*) AS count FROM (SELECT FROM ${rest} LIMIT ${MOST_ROWS + 1}) AS e`)
    // What was published while nobody made partitions stays where it is, and is deleted row by row.
    if (Number(rows?.['count']) > MOST_ROWS) return 0
    const [row] = await tx.query(
      `SELECT p.last, coalesce(array_to_string(c.reloptions, ', '), '') AS options, pg_get_userbyid(e.relowner) AS owner
FROM ${t.partitions} AS p, pg_class AS c, pg_class AS e
WHERE p.name = $1 AND c.oid = to_regclass($2) AND e.oid = to_regclass($3)`,
      [bareIn(t, 'ahead'), rest, t.events],
    )
    const low = idAfter(last.last)
    const made = cuts.map(
      (cut) =>
        `${createPartition(t, cut, row?.['options'] ?? '')}; ALTER TABLE ${qualify(t, cut.name)} OWNER TO "${row?.['owner']}";`,
    )
    await tx.script(`ALTER TABLE ${t.events} DETACH PARTITION ${rest};\n${made.join('\n')}`)
    await takeBack(tx, t, rest, await columnsOf(tx, t), 'e.id < $1::uuid', [low])
    await tx.script(
      `ALTER TABLE ${t.events} ATTACH PARTITION ${rest} FOR VALUES FROM ('${low}') TO ('${idAfter(row?.['last'] ?? '')}')`,
    )
    await tx.query(`UPDATE ${t.partitions} SET low = $2::uuid WHERE name = $1`, [bareIn(t, 'ahead'), low])
    await tx.query(
      `INSERT INTO ${t.partitions} (low, last, name) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[])`,
      [cuts.map((cut) => cut.low), cuts.map((cut) => cut.last), cuts.map((cut) => cut.name)],
    )
    return cuts.length
  })
}

/** Which partitions are to be made, by the clock of the database and in the interval of those that are there. */
async function missing(on: Pick<ClientTransaction, 'query'>, t: Tables, ahead: number): Promise<readonly Cut[]> {
  const [row] = await on.query(
    `SELECT date_part('epoch', clock_timestamp()) * 1000 AS now, a.low,
  (SELECT p.name FROM ${t.partitions} AS p WHERE p.low < a.low AND p.low <= p.last ORDER BY p.low DESC LIMIT 1) AS before
FROM ${t.partitions} AS a WHERE a.name = $1`,
    [bareIn(t, 'ahead')],
  )
  if (row === undefined) return []
  const interval: PartitionInterval = /_p\d{8}_\d\d$/.test(row['before'] ?? '') ? 'hour' : 'day'
  const from = timeOf(row['low'] ?? '')
  const until = beginOf(Number(row['now']), interval, ahead + 1)
  return cutsFrom(t, from, interval, Math.max(0, Math.round((until - from) / LENGTH[interval])))
}

async function prove(client: Client, t: Tables): Promise<void> {
  const rest = qualify(t, bareIn(t, 'default'))
  const [row] = await client.query(
    `SELECT convalidated AS proven FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2`,
    [rest, bareIn(t, 'free')],
  )
  if (row?.['proven'] === 'f') await client.query(`ALTER TABLE ${rest} VALIDATE CONSTRAINT ${t.index('free')}`)
}
