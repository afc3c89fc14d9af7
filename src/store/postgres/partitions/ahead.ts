import { BroadcasterError } from '../../../errors.ts'
import type { Client, ClientTransaction } from '../client.ts'
import { lockMigrations } from '../schema/takeover/take-over.ts'
import type { Tables } from '../tables.ts'
import {
  bareIn,
  beginOf,
  type Cut,
  cutsFrom,
  idAfter,
  idAt,
  idBefore,
  LENGTH,
  type PartitionInterval,
  qualify,
  timeOf,
} from './cuts.ts'
import { createPartition } from './ddl.ts'
import { columnsOf, storedBytes, takeBack } from './rows.ts'

/** How long it waits for the table, in ms: all who come later wait behind it. */
export const LOCK_WAIT = 100
/** More rows, or more bytes, are not moved while others wait. */
const MOST_ROWS = 10_000
export const MOST_BYTES = 8 * 1024 * 1024
/** More partitions are not made while others wait: each takes 10 to 40 ms. */
const MOST_CUTS = 2
/** How many there are beyond the one of now, by default: what comes while no worker runs for so long has its place. */
const AHEAD: Readonly<Record<PartitionInterval, number>> = { hour: 24, day: 7 }

/** What partitions are made ahead with. */
export interface AheadOptions {
  /** How many, beyond the one of now. Default: 7 days or 24 hours. */
  readonly ahead?: number | undefined
  /** For the statement that reads the whole default partition, which may take any time. */
  readonly prover: Client
}

/**
 * Makes the partitions of the intervals to come, out of the range that is kept for what comes after the last, a few at a time. Resolves
 * with how many were made. Throws `STORE_BUSY` when the table cannot be locked: there is time until the next clean-up; and
 * `PARTITION_REFUSED` when too much lies in the way.
 */
export async function makeAhead(client: Client, t: Tables, { ahead, prover }: AheadOptions): Promise<number> {
  let made = 0
  for (;;) {
    if ((await missing(client, t, ahead)).length === 0) return made
    // Proven once, beside all traffic; a partition that is made then looks for no row of its own in the default.
    await prove(prover, t)
    const count = await client.transaction((tx) => makeSome(tx, t, ahead))
    if (count === 0) return made
    made += count
  }
}

/** Resolves with how many were made. */
async function makeSome(tx: ClientTransaction, t: Tables, ahead: number | undefined): Promise<number> {
  await tx.query(`SELECT set_config('lock_timeout', $1, true)`, [`${LOCK_WAIT}ms`])
  await lockMigrations(tx, t)
  const all = await missing(tx, t, ahead)
  if (all.length === 0) return 0
  const rest = qualify(t, bareIn(t, 'ahead'))
  // Looked at before anybody waits: what is published until the lock is held comes on top of it.
  const cuts = await movable(tx, rest, all)
  await tx.script(`LOCK TABLE ONLY ${t.events} IN ACCESS EXCLUSIVE MODE`)
  const [row] = await tx.query(
    `SELECT p.last, coalesce(array_to_string(c.reloptions, ', '), '') AS options, pg_get_userbyid(e.relowner) AS owner
FROM ${t.partitions} AS p, pg_class AS c, pg_class AS e
WHERE p.name = $1 AND c.oid = to_regclass($2) AND e.oid = to_regclass($3)`,
    [bareIn(t, 'ahead'), rest, t.events],
  )
  const low = idAfter(cuts.at(-1)?.last ?? '')
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
}

/** The first of them into which no more rows would be moved than others can wait for. */
async function movable(tx: ClientTransaction, rest: string, cuts: readonly Cut[]): Promise<readonly Cut[]> {
  const text = `SELECT count(*) AS count, ${storedBytes('e')} AS bytes
FROM (SELECT * FROM ${rest} WHERE id <= $1::uuid ORDER BY id LIMIT ${MOST_ROWS + 1}) AS e`
  for (let some = cuts.slice(0, MOST_CUTS); ; some = some.slice(0, some.length / 2)) {
    const last = some.at(-1)?.last
    if (last === undefined) break
    const [rows] = await tx.query(text, [last])
    if (Number(rows?.['count']) <= MOST_ROWS && Number(rows?.['bytes']) <= MOST_BYTES) return some
  }
  throw new BroadcasterError(
    'PARTITION_REFUSED',
    `${rest.replaceAll('"', '')} holds more of one interval than can be moved while nobody can publish (${MOST_ROWS} events, ${MOST_BYTES / 1024 / 1024} MB): no worker made partitions in time. Events go on to be published there, delivered, and deleted row by row; partitions are made again when retention has emptied it`,
  )
}

/** Which partitions are to be made, by the clock of the database and in the interval of those that are there. */
async function missing(on: Pick<ClientTransaction, 'query'>, t: Tables, ahead?: number): Promise<readonly Cut[]> {
  const [row] = await on.query(
    `SELECT date_part('epoch', clock_timestamp()) * 1000 AS now, a.low,
  (SELECT p.name FROM ${t.partitions} AS p WHERE p.low < a.low AND p.low <= p.last ORDER BY p.low DESC LIMIT 1) AS before,
  (SELECT e.id FROM ${t.events} AS e WHERE e.id >= a.low AND e.id <= a.last ORDER BY e.id LIMIT 1) AS first
FROM ${t.partitions} AS a WHERE a.name = $1`,
    [bareIn(t, 'ahead')],
  )
  if (row === undefined) return []
  const interval: PartitionInterval = /_p\d{8}_\d\d$/.test(row['before'] ?? '') ? 'hour' : 'day'
  const from = timeOf(row['low'] ?? '')
  const now = Number(row['now'])
  const until = beginOf(now, interval, (ahead ?? AHEAD[interval]) + 1)
  if (from >= until) return []
  // Nobody made any for long, and nothing was published meanwhile: one for all of that time.
  const begin = beginOf(Math.min(now, row['first'] == null ? now : timeOf(row['first'])), interval)
  const gap = begin - from > LENGTH[interval]
  const cuts = cutsFrom(t, gap ? begin : from, interval, Math.round((until - (gap ? begin : from)) / LENGTH[interval]))
  const [wide] = cutsFrom(t, from, interval, 1)
  return gap && wide ? [{ ...wide, last: idBefore(idAt(begin)) }, ...cuts] : cuts
}

async function prove(client: Client, t: Tables): Promise<void> {
  const rest = qualify(t, bareIn(t, 'default'))
  const [row] = await client.query(
    `SELECT convalidated AS proven FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2`,
    [rest, bareIn(t, 'free')],
  )
  if (row?.['proven'] === 'f') await client.query(`ALTER TABLE ${rest} VALIDATE CONSTRAINT ${t.index('free')}`)
}
