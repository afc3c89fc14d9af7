import { DATA_COLUMNS, NARROW_COLUMNS } from '../../record/columns.ts'
import { type FetchedData, type FetchedRow, firstThatFit, type LaneCursor, type RelayStore } from '../relay-store.ts'
import { fetchedReader, rowReader } from '../rows.ts'
import { toSqlId } from '../values.ts'
import type { Client, RawRow } from './client.ts'
import { cutToLimits, meetsLimit } from './cut-to-limits.ts'
import { join, type Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { NOW, rawOf, readersOf, STAGE, selectList, slices } from './values.ts'

/**
 * Reads due events of some lanes in `seq` order. The names of a lane share its limit, or the reader's cursor would pass
 * rows of the name that reached it earlier. The index is named, so that no statistics, fresh or stale, can change the
 * plan: a range scan of the work index, which a test checks.
 *
 * MariaDB has no LATERAL. Two ways, 64 lanes and two names on MariaDB 10.11, two busy cores
 * (docs/decisions/0015-mysql-fetch.md): all lanes in one scan of 128 ranges, 2 ms where there is nothing and 5 ms for
 * 199 rows; or a limited SELECT for each lane and name in one UNION ALL, 19 ms and 28 ms. The first has no limit per
 * lane, so its result is used only when it reached its end: otherwise there is a backlog, and the second way is taken
 * until that is gone.
 *
 * `scheduled_at` is checked as well, since a row that others updated may be due later without being parked. What was
 * due when it was written stays due when the clock is set back.
 */
export function fetch(client: Client, t: Tables) {
  const narrow = selectList(NARROW_COLUMNS, 'raw')
  const bytes = sql`IFNULL(LENGTH(e.data), 0) + IFNULL(LENGTH(e.data_binary), 0)`
  const read = fetchedReader(readersOf('raw'))
  const from = (mostData: number): Sql => {
    const ifItFits = (column: 'data' | 'dataBinary') => sql`IF(${bytes} <= ${mostData}, ${rawOf(column)}, NULL)`
    return sql`SELECT ${narrow}, ${ifItFits('data')} AS data, ${ifItFits('dataBinary')} AS dataBinary,
  IF(${bytes} <= ${mostData}, NULL, ${bytes}) AS withheld
FROM ${t.events} AS e FORCE INDEX (${t.index.work})`
  }
  const due = sql`e.stage = ${STAGE.hot} AND e.available_at IS NULL AND (e.scheduled_at <= ${NOW} OR e.scheduled_at <= GREATEST(e.created_at, e.updated_at))`
  let backlog = false

  const inOneScan = (
    select: Sql,
    names: readonly string[],
    lanes: readonly LaneCursor[],
    limit: number,
  ): Sql => sql`${select}
WHERE ${isNamed(names)} AND ${due} AND (${join(
    lanes.map(({ lane, after }) => sql`(e.lane = ${lane} AND e.seq > ${after})`),
    ' OR ',
  )})
LIMIT ${limit}`

  const laneByLane = (select: Sql, names: readonly string[], lanes: readonly LaneCursor[]): Sql =>
    join(
      lanes.flatMap(({ lane, after, limit }) =>
        names.map(
          (name) => sql`(${select}
WHERE ${isNamed([name])} AND ${due} AND e.lane = ${lane} AND e.seq > ${after}
ORDER BY e.seq LIMIT ${limit})`,
        ),
      ),
      '\nUNION ALL\n',
    )

  return async (
    names: readonly string[],
    lanes: readonly LaneCursor[],
    mostData = MOST,
  ): Promise<readonly FetchedRow[]> => {
    if (lanes.length === 0 || names.length === 0) return []
    const select = from(Math.min(mostData, MOST))
    const most = lanes.reduce((sum, { limit }) => sum + limit, 0)
    if (!backlog) {
      const rows = await client.query(inOneScan(select, names, lanes, most + 1))
      if (rows.length <= most) return cutToLimits(rows.map(read), lanes)
      backlog = true
    }
    const rows = cutToLimits((await client.query(laneByLane(select, names, lanes))).map(read), lanes)
    if (!meetsLimit(rows, lanes)) backlog = false
    return rows
  }
}

/** More bytes than any data has: SQL has no infinity. */
const MOST = Number.MAX_SAFE_INTEGER

/** By primary key, with the sizes that the fetch gave. */
export function fetchData(client: Client, t: Tables): RelayStore['fetchData'] {
  const read = rowReader(DATA_COLUMNS, readersOf('raw')) as (row: RawRow) => FetchedData
  return async (rows, bytes) => {
    const found: FetchedData[] = []
    for (const ids of slices(firstThatFit(rows, bytes).map(({ id }) => toSqlId(id)))) {
      const some = await client.query(sql`
SELECT ${selectList(DATA_COLUMNS, 'raw')} FROM ${t.events} AS e FORCE INDEX (PRIMARY) WHERE e.id IN (${ids})`)
      found.push(...some.map(read))
    }
    return found
  }
}

/** One entry at the end of the lane's range of the work index for each name. */
export function lastSeq(client: Client, t: Tables): RelayStore['lastSeq'] {
  const lastOf = (name: string, lane: number) => sql`(
SELECT e.seq AS last FROM ${t.events} AS e FORCE INDEX (${t.index.work})
WHERE ${isNamed([name])} AND e.stage = ${STAGE.hot} AND e.available_at IS NULL AND e.lane = ${lane}
ORDER BY e.seq DESC LIMIT 1)`
  return async (names, lane) => {
    const rows = await client.query(
      join(
        names.map((name) => lastOf(name, lane)),
        '\nUNION ALL\n',
      ),
    )
    const found = rows.map((row) => Number(row['last']))
    return found.length === 0 ? undefined : Math.max(...found)
  }
}

/**
 * The backend's names, by the index and then byte by byte: on a table that Django made the column ignores case.
 */
export function isNamed(names: readonly string[]): Sql {
  const bytes = names.map((name) => sql`CAST(${name} AS BINARY)`)
  return sql`e.publisher_backend IN (${names}) AND CAST(e.publisher_backend AS BINARY) IN (${join(bytes, ', ')})`
}

/** How many names with only settled events are skipped per name that is found. */
const MOST_LOOKED = 10

/**
 * One jump along the work index per name, then a check whether there is anything to do for it, since the index also
 * holds settled rows. The status is selected because the index lacks it: where MySQL needs no row and its statistics
 * are those of a small table, it would read the whole index.
 */
export function waitingNames(client: Client, t: Tables): RelayStore['waitingNames'] {
  const firstAfter = (name: string | undefined) => sql`
SELECT MIN(e.publisher_backend) AS backend FROM ${t.events} AS e FORCE INDEX (${t.index.work})
${name === undefined ? sql`` : sql`WHERE e.publisher_backend > ${name}`}`
  const waits = (name: string) => sql`
SELECT e.status AS waits FROM ${t.events} AS e FORCE INDEX (${t.index.work})
WHERE ${isNamed([name])} AND e.stage IN (${[STAGE.hot, STAGE.parked, STAGE.retrying]}) LIMIT 1`

  return async (limit) => {
    const names: string[] = []
    let looked = 0
    for (let name: string | undefined; names.length < limit && looked < MOST_LOOKED * limit; looked++) {
      const [next] = await client.query(firstAfter(name))
      if (next?.['backend'] == null) break
      name = String(next['backend'])
      const [found] = await client.query(waits(name))
      if (found !== undefined) names.push(name)
    }
    return names
  }
}
