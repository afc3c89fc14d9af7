import { DATA_COLUMNS, SEND_COLUMNS, type SendRow, sqlName } from '../../record/columns.ts'
import {
  FEW,
  type FetchedData,
  type FetchedRow,
  firstThatFit,
  type LaneCursor,
  type RelayStore,
} from '../relay-store.ts'
import { fetchedReader, rowReader } from '../rows.ts'
import type { Client, RawRow } from './client.ts'
import { isPartitioned } from './partitions/is-partitioned.ts'
import { isIn, liveRanges } from './partitions/live-ranges.ts'
import type { Tables } from './tables.ts'
import { READERS, selectList, textOf, UNSETTLED } from './values.ts'

/** Bytes before a stored value, at most. */
const HEADER = 4
/** More bytes than any data has, for SQL that knows no infinity. */
const MOST = Number.MAX_SAFE_INTEGER

const DUE = `e.available_at IS NULL AND e.status IN ${UNSETTLED}
      AND (e.scheduled_at <= statement_timestamp() OR e.scheduled_at <= greatest(e.created_at, e.updated_at))`

/**
 * Reads due events of some lanes in `seq` order: one ordered range scan of the hot index for each lane and name.
 * The names of a lane share its limit, or the reader's cursor would pass rows of the name that reached it earlier.
 *
 * Plan it must have: Index Scan using `..._hot` innermost, never a Bitmap or Seq Scan; a test checks that with the
 * statistics of an empty table. Flat from an empty table to 5.6 million rows (`bench/fetch-cost.ts`).
 * One scan in `seq` order filtered by lane costs more the fewer lanes are owned, and sorts the whole backlog when
 * there are two names: 274 ms against 3 (docs/decisions/0010-fetch-by-lane.md).
 *
 * What is sorted is the row as it is stored, and only what is left in the end becomes text: of large data a row has but a pointer.
 * As text it went through two sorts, by way of temporary files: 181 MB for 200 events of 1 MB, 3.5 s, and 7 ms so
 * (docs/decisions/0116-bounds-by-bytes.md). Lanes are merged here: rows as they are sent cost the server 0.7 us each to sort. What is
 * compressed is only expanded to be measured when it might fit.
 *
 * Where the table has partitions, a range scan for each of those that may hold any such row (docs/decisions/0137-partitions.md).
 *
 * `scheduled_at` is checked once more, since a row that others updated may not be parked. What was due when it was written
 * stays due when the clock is set back.
 */
export function fetch(client: Client, t: Tables) {
  const textFor = (partitioned: boolean) => `${partitioned ? `\nWITH ${liveRanges(t, 'IS NULL')}` : ''}
SELECT ${SENT}
FROM unnest($2::int[], $3::bigint[], $4::int[]) AS l(lane, after, max)
CROSS JOIN LATERAL (
  SELECT e.*
  FROM unnest($1::text[]) AS n(name)${partitioned ? ' CROSS JOIN live' : ''}
  CROSS JOIN LATERAL (
    SELECT ${stored('$5')}
    FROM ${t.events} AS e
    WHERE e.publisher_backend = n.name AND e.lane = l.lane AND e.seq > l.after
      AND ${DUE}${partitioned ? ` AND ${isIn('live')}` : ''}
    ORDER BY e.seq
    LIMIT l.max) AS e
  ORDER BY e.seq
  LIMIT l.max) AS e`
  const [plain, ofPartitions] = [textFor(false), textFor(true)]
  const partitioned = isPartitioned(client, t)
  const read = fetchedReader(READERS, USUAL)

  return async (
    names: readonly string[],
    lanes: readonly LaneCursor[],
    mostData = Number.POSITIVE_INFINITY,
  ): Promise<readonly FetchedRow[]> => {
    if (lanes.length === 0 || names.length === 0) return []
    const [numbers, after, limits] = [
      lanes.map(({ lane }) => lane),
      lanes.map((one) => one.after),
      lanes.map(({ limit }) => limit),
    ]
    const values = [names, numbers, after, limits, Math.min(mostData, MOST)]
    const text = (await partitioned()) ? ofPartitions : plain
    return inOrder((await client.query(text, values, 'keep')).map(read))
  }
}

/**
 * One scan of the hot index for each name, as it lies, up to so many rows: where little waits it takes a third of what one scan for each
 * of 64 lanes does. It reads over all that lies in the index, also what is dead there, but visits no row up to `after`.
 */
export function fetchFew(client: Client, t: Tables): NonNullable<RelayStore['fetchFew']> {
  const textFor = (partitioned: boolean) => `${partitioned ? `\nWITH ${liveRanges(t, 'IS NULL')}` : ''}
SELECT ${SENT}
FROM unnest($1::text[]) AS n(name)${partitioned ? ' CROSS JOIN live' : ''}
CROSS JOIN LATERAL (
  SELECT ${stored('$3')}
  FROM ${t.events} AS e
  WHERE e.publisher_backend = n.name AND e.seq > $2::bigint
    AND ${DUE}${partitioned ? ` AND ${isIn('live')}` : ''}
  ORDER BY e.lane, e.seq
  LIMIT ${FEW}) AS e
LIMIT ${FEW}`
  const [plain, ofPartitions] = [textFor(false), textFor(true)]
  const partitioned = isPartitioned(client, t)
  const read = fetchedReader(READERS, USUAL)
  return async (names, after, mostData = Number.POSITIVE_INFINITY) => {
    const text = (await partitioned()) ? ofPartitions : plain
    const rows = await client.query(text, [names, after, Math.min(mostData, MOST)], 'keep')
    return rows.length < FEW ? inOrder(rows.map(read)) : undefined
  }
}

function inOrder(rows: FetchedRow[]): readonly FetchedRow[] {
  return rows.sort((one, other) => one.seq - other.seq)
}

/**
 * What nearly all rows have: it comes as null, which costs neither the server nor this process a text. The columns hold no null
 * themselves.
 */
const USUAL = {
  specVersion: '1.0',
  subject: '',
  dataContentType: 'application/json',
  dataSchema: '',
  status: 'pending',
  retryCount: 0,
  publisherConfig: '{}',
  generation: 0,
} as const satisfies Partial<SendRow>

const SENT = `${SEND_COLUMNS.map((column) => `${sent(column)} AS "${column}"`).join(', ')}, CAST(e.withheld AS text) AS withheld`

/** The row as it is stored; `withheld` is given where it has more data than `most`, a parameter. */
function stored(most: string): string {
  return `${SEND_COLUMNS.map((column) => `e.${sqlName(column)}`).join(', ')},
      CASE WHEN pg_column_size(e.data) - ${HEADER} > ${most}::bigint OR octet_length(CAST(e.data AS text)) > ${most}::bigint
          OR octet_length(e.data_binary) > ${most}::bigint
        THEN coalesce(pg_column_size(e.data) - ${HEADER}, 0) + coalesce(octet_length(e.data_binary), 0) END AS withheld`
}

/** A column as the fetch selects it. */
function sent(column: keyof SendRow): string {
  if (column === 'data' || column === 'dataBinary') return `CASE WHEN e.withheld IS NULL THEN ${textOf(column)} END`
  const usual = Object.entries(USUAL).find(([name]) => name === column)?.[1]
  if (typeof usual === 'number') return `CAST(NULLIF(e.${sqlName(column)}, ${usual}) AS text)`
  return usual === undefined ? textOf(column) : `NULLIF(${textOf(column)}, '${usual}')`
}

/**
 * By primary key. What is compressed is measured here, where the next would be too much: the sum is made of pointers, and only what
 * fits becomes text.
 */
export function fetchData(client: Client, t: Tables): RelayStore['fetchData'] {
  const text = `
SELECT ${selectList(DATA_COLUMNS)}
FROM (
  SELECT e.id, e.data, e.data_binary, sum(coalesce(octet_length(CAST(e.data AS text)), 0)
      + coalesce(octet_length(e.data_binary), 0)) OVER (ORDER BY given.n) AS total
  FROM unnest($1::uuid[]) WITH ORDINALITY AS given(id, n)
  JOIN ${t.events} AS e ON e.id = given.id) AS e
WHERE e.total <= $2::bigint`
  const read = rowReader(DATA_COLUMNS, READERS) as (row: RawRow) => FetchedData
  return async (rows, bytes) => {
    const ids = firstThatFit(rows, bytes).map(({ id }) => id)
    return ids.length === 0 ? [] : (await client.query(text, [ids, Math.min(bytes, MOST)])).map(read)
  }
}

/** One entry at the end of the hot index for each name. */
export function lastSeq(client: Client, t: Tables): RelayStore['lastSeq'] {
  const text = `
SELECT max(e.seq) AS last
FROM unnest($1::text[]) AS n(name)
CROSS JOIN LATERAL (
  SELECT e.seq FROM ${t.events} AS e
  WHERE e.publisher_backend = n.name AND e.lane = $2::int AND e.available_at IS NULL AND e.status IN ${UNSETTLED}
  ORDER BY e.seq DESC
  LIMIT 1) AS e`
  return async (names, lane) => {
    const [row] = await client.query(text, [names, lane], 'keep')
    const last = row?.['last'] ?? null
    return last === null ? undefined : Number(last)
  }
}

/**
 * PostgreSQL has no jump along an index of its own, so the query makes it: the least name, then the least above that one,
 * in the index of what is due and in that of what is parked.
 */
export function waitingNames(client: Client, t: Tables): RelayStore['waitingNames'] {
  const jump = (name: string, available: 'IS NULL' | 'IS NOT NULL') => {
    const least = (after: string) => `(SELECT e.publisher_backend FROM ${t.events} AS e
    WHERE e.available_at ${available} AND e.status IN ${UNSETTLED} ${after}
    ORDER BY e.publisher_backend LIMIT 1)`
    return `${name} AS (
  SELECT ${least('')} AS backend
  UNION ALL
  SELECT ${least('AND e.publisher_backend > n.backend')} FROM ${name} AS n WHERE n.backend IS NOT NULL
)`
  }
  const text = `
WITH RECURSIVE ${jump('hot', 'IS NULL')}, ${jump('parked', 'IS NOT NULL')}
(SELECT backend FROM hot WHERE backend IS NOT NULL LIMIT $1::int)
UNION
(SELECT backend FROM parked WHERE backend IS NOT NULL LIMIT $1::int)
LIMIT $1::int`
  return async (limit) => (await client.query(text, [limit])).map((row) => row['backend'] ?? '')
}
