import type { AdminStore } from '../admin-store.ts'
import {
  BACKENDS_LOOKED_AT,
  type BackendCounts,
  type BlockedKey,
  backendCounts,
  HEADS_READ,
  INBOX_COUNTED,
  keysHeld,
  type OutboxLook,
  ROWS_READ,
} from '../outbox-look.ts'
import { fromSqlDate, fromSqlId } from '../values.ts'
import { destinations } from './breakers.ts'
import type { Client, RawRow, Runs } from './client.ts'
import { survey } from './coordination.ts'
import { isNamed } from './fetch.ts'
import { type Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, NOW, STAGE } from './values.ts'

/** Above this many, rows are not counted one by one. */
const COUNTED_ROWS = 10_000

/**
 * All in one read-only snapshot, from the work index: published rows are read only for the first part of the total, and
 * for each backend at most `ROWS_READ` rows of each kind.
 */
export function look(client: Client, t: Tables): AdminStore['look'] {
  return () =>
    client.snapshot(async (tx) => {
      const names = await backendNames(tx, t)
      const [settings] = await tx.query(sql`SELECT lanes FROM ${t.settings}`)
      const all = Array.from({ length: Number(settings?.['lanes']) }, (_, lane) => lane)
      const { workers, lanes, breakers } = await survey(tx, t).look(names)
      const backends: BackendCounts[] = []
      const away = []
      const heads: BlockedKey[] = []
      for (const name of names) {
        backends.push(await countsOf(tx, t, name, all))
        for (const one of await destinations(tx, t).list(name)) away.push({ backend: name, ...one })
        heads.push(...(await headsOf(tx, t, name)))
      }
      // CAST, since the client would read an instant in this process's time zone.
      const [clock] = await tx.query(sql`SELECT CAST(${NOW} AS CHAR) AS now`)
      return {
        now: fromSqlDate(clock?.['now']),
        backends,
        workers,
        lanes,
        breakers,
        destinations: away,
        blockedKeys: keysHeld(heads),
        ...(await totalOf(tx, t)),
        inboxRows: await inboxRowsOf(tx, t),
      }
    })
}

/**
 * One jump along the index per name. Names that are equal in a collation of Django's are one there, and told apart by
 * their bytes. (For a SELECT DISTINCT, MySQL with the statistics of a small table reads the whole index.)
 */
async function backendNames(tx: Runs, t: Tables): Promise<readonly string[]> {
  const all = new Set<string>()
  for (const row of await tx.query(sql`SELECT DISTINCT backend FROM ${t.lanes}`)) all.add(String(row['backend']))
  const [column] = await tx.query(sql`SELECT COLLATION(publisher_backend) AS collation FROM ${t.events} LIMIT 1`)
  const isBinary = /_bin$/.test(String(column?.['collation']))
  for (let name: string | undefined, jumps = 0; jumps < BACKENDS_LOOKED_AT; jumps++) {
    const [next] = await tx.query(sql`
SELECT MIN(e.publisher_backend) AS backend FROM ${t.events} AS e FORCE INDEX (${t.index.work})
${name === undefined ? sql`` : sql`WHERE e.publisher_backend > ${name}`}`)
    if (next?.['backend'] == null) break
    name = String(next['backend'])
    const [waits] = await tx.query(sql`
SELECT e.status FROM ${t.events} AS e FORCE INDEX (${t.index.work})
WHERE e.publisher_backend = ${name} AND e.stage IN (${Object.values(STAGE)}) LIMIT 1`)
    if (waits === undefined) continue
    if (isBinary) {
      all.add(name)
      continue
    }
    const alike = await tx.query(sql`
SELECT DISTINCT CAST(s.backend AS BINARY) AS backend FROM (
  SELECT e.publisher_backend AS backend FROM ${t.events} AS e FORCE INDEX (${t.index.work})
  WHERE e.publisher_backend = ${name} AND e.stage IN (${Object.values(STAGE)}) LIMIT ${ROWS_READ}) AS s`)
    for (const row of alike) all.add(String(row['backend']))
  }
  return [...all].sort().slice(0, BACKENDS_LOOKED_AT)
}

/** What was due when its row was last written stays due, even if the clock was set back since. */
const DUE_AT = sql`CASE WHEN e.scheduled_at <= GREATEST(e.created_at, e.updated_at) THEN LEAST(e.scheduled_at, ${NOW})
  ELSE e.scheduled_at END AS due_at`

/** With the lanes named, a range of the index is read for each instead of all that is parked. */
async function countsOf(tx: Runs, t: Tables, backend: string, lanes: readonly number[]): Promise<BackendCounts> {
  const from = (stages: readonly number[], and: Sql = sql``): Sql => sql`
FROM ${t.events} AS e FORCE INDEX (${t.index.work})
WHERE ${isNamed([backend])} AND e.stage IN (${stages}) ${and}`
  const first = async (statement: Sql): Promise<RawRow> => (await tx.query(statement))[0] ?? {}
  // Needs the row: from the index alone MySQL, with a small table's statistics, would read all of it.
  const count = async (rows: Sql): Promise<number> =>
    Number((await first(sql`SELECT COUNT(*) AS count FROM (SELECT e.status ${rows} LIMIT ${ROWS_READ}) AS s`))['count'])

  const parked = (range: Sql): Sql => from([STAGE.parked, STAGE.retrying], sql`AND e.lane IN (${lanes}) AND ${range}`)
  const hot = await first(sql`
SELECT COUNT(*) AS hot, SUM(s.status = 'retry') AS retrying FROM (SELECT e.status ${from([STAGE.hot])} LIMIT ${ROWS_READ}) AS s`)
  const due = await count(parked(sql`e.available_at <= ${NOW}`))
  const later = await first(sql`
SELECT COUNT(*) AS later, SUM(s.due_at <= ${NOW}) AS delayed_rows FROM (
  SELECT ${DUE_AT} ${parked(sql`e.available_at > ${NOW} AND e.available_at < ${FAR_FUTURE_SQL}`)}
  LIMIT ${ROWS_READ}) AS s`)
  const failed = await first(sql`
SELECT COUNT(*) AS failed, COUNT(DISTINCT CASE WHEN s.available_at IS NOT NULL THEN s.partition_key END) AS keys_held FROM (
  SELECT e.available_at, e.partition_key ${from([STAGE.failed])} LIMIT ${ROWS_READ}) AS s`)
  const retrying = (await count(from([STAGE.retrying]))) + Number(hot['retrying'] ?? 0)
  const oldest = await first(oldestReady(t, backend, lanes))
  return backendCounts(backend, {
    ready: Number(hot['hot']) + due,
    blocked: await count(parked(sql`e.available_at = ${FAR_FUTURE_SQL}`)),
    later: Number(later['later']),
    delayed: Number(later['delayed_rows'] ?? 0),
    troubled: Math.max(Number(hot['hot']), retrying, Number(failed['failed'])),
    retrying,
    failed: Number(failed['failed']),
    blockedKeys: Number(failed['keys_held']),
    oldestReadyAge: oldest['age'] == null ? null : Number(oldest['age']),
  })
}

/**
 * Looked for among the first of each lane, by `seq` and by the time until which they are parked. Ordered by the lane
 * too: to MySQL a column of another table is not a constant, and it would sort all that is due.
 */
function oldestReady(t: Tables, backend: string, all: readonly number[]): Sql {
  const firstOf = (stage: number, range: Sql, order: Sql): Sql => sql`(
    SELECT ${DUE_AT} FROM ${t.events} AS e FORCE INDEX (${t.index.work})
    WHERE ${isNamed([backend])} AND e.stage = ${stage} AND e.lane = l.lane AND ${range}
    ORDER BY e.lane, ${order} LIMIT 1)`
  const due = sql`e.available_at <= ${NOW}`
  const time = sql`e.available_at, e.seq`
  // Not from the lanes table, which is empty before the first worker.
  const lanes = sql`JSON_TABLE(${JSON.stringify(all)}, '$[*]' COLUMNS (lane INT PATH '$')) AS l`
  return sql`
SELECT TIMESTAMPDIFF(MICROSECOND, MIN(f.at), ${NOW}) / 1000 AS age
FROM (
  SELECT ${firstOf(STAGE.hot, sql`e.available_at IS NULL`, sql`e.seq`)} AS at FROM ${lanes}
  UNION ALL SELECT ${firstOf(STAGE.parked, due, time)} FROM ${lanes}
  UNION ALL SELECT ${firstOf(STAGE.retrying, due, time)} FROM ${lanes}) AS f
WHERE f.at <= ${NOW}`
}

async function headsOf(tx: Runs, t: Tables, backend: string): Promise<readonly BlockedKey[]> {
  const rows = await tx.query(sql`
SELECT s.* FROM (
  SELECT e.id, e.lane, e.seq, e.partition_key, e.available_at, TIMESTAMPDIFF(MICROSECOND, e.updated_at, ${NOW}) AS since
  FROM ${t.events} AS e FORCE INDEX (${t.index.work})
  WHERE ${isNamed([backend])} AND e.stage = ${STAGE.failed}
  ORDER BY e.publisher_backend, e.stage, e.lane, e.available_at, e.seq LIMIT ${ROWS_READ}) AS s
WHERE s.available_at IS NOT NULL AND s.partition_key IS NOT NULL
ORDER BY s.lane, s.seq LIMIT ${HEADS_READ}`)
  return rows.map((row) => ({
    backend,
    partitionKey: String(row['partition_key']),
    heldBy: fromSqlId(row['id']),
    since: Math.max(0, Number(row['since'])) / 1_000,
  }))
}

/** Beyond some rows the engine's estimate. The range of `seq` would be wrong: take-overs and purges leave gaps. */
async function totalOf(tx: Runs, t: Tables): Promise<Pick<OutboxLook, 'totalRows' | 'totalRowsIsEstimate'>> {
  const totalRows = await rowsOf(tx, t.events, COUNTED_ROWS)
  return { totalRows, totalRowsIsEstimate: totalRows > COUNTED_ROWS }
}

/** Null: a role that needs no right on the inbox has none. An error of the connection ends the snapshot, too. */
async function inboxRowsOf(tx: Runs, t: Tables): Promise<number | null> {
  try {
    return await rowsOf(tx, t.inbox, INBOX_COUNTED)
  } catch {
    return null
  }
}

/** The engine's estimate, or at most one row more than are counted. */
async function rowsOf(tx: Runs, table: Sql, counted: number): Promise<number> {
  const [plan] = await tx.query(sql`EXPLAIN SELECT 1 FROM ${table}`)
  const estimate = Number(plan?.['rows'] ?? 0)
  if (estimate > counted) return estimate
  const [row] = await tx.query(sql`SELECT COUNT(*) AS count FROM (SELECT 1 FROM ${table} LIMIT ${counted + 1}) AS some`)
  return Number(row?.['count'] ?? 0)
}
