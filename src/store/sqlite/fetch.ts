import { DATA_COLUMNS, NARROW_COLUMNS } from '../../record/columns.ts'
import { type FetchedData, type FetchedRow, firstThatFit, type LaneCursor } from '../relay-store.ts'
import { toSqlId } from '../values.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { NOW, selectList, tupleReader } from './values.ts'

/**
 * Due, unparked, unsettled rows. SQLite has no LATERAL: one range scan for each name and lane finds the numbers in the
 * hot index, and one statement reads the rows. Measured with 64 lanes and two names: half the time of scans that select
 * all 22 columns, since the client builds their names even for no rows; rows as arrays take half the time of objects.
 * `scheduled_at` is checked as well, since a row that others wrote may be due later without being parked. What was due
 * when it was written stays due when the clock is set back. The index is named, so that no statistics, fresh or stale,
 * can change the plan. A row's header has the length of its data: no page of withheld data is read.
 */
export function fetch(t: Tables) {
  const scanSql = `
    SELECT seq FROM ${t.events} INDEXED BY ${t.index.hot}
    WHERE publisher_backend = ? AND lane = ? AND seq > ?
      AND available_at IS NULL AND status IN ('pending', 'retry', 'processing')
      AND (scheduled_at <= ${NOW} OR scheduled_at <= max(created_at, updated_at))
    ORDER BY seq LIMIT ?`
  const bytes = 'coalesce(octet_length(data), 0) + coalesce(octet_length(data_binary), 0)'
  const readSql = `
    SELECT ${selectList(NARROW_COLUMNS)}, CASE WHEN withheld IS NULL THEN data END, CASE WHEN withheld IS NULL THEN data_binary END, withheld
    FROM (SELECT *, CASE WHEN ${bytes} > ? THEN ${bytes} END AS withheld FROM ${t.events})
    WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq`
  const readRow = tupleReader([...NARROW_COLUMNS, 'data', 'dataBinary'])
  const readFetched = (row: readonly unknown[]): FetchedRow => {
    const withheld = row.at(-1)
    return { ...readRow(row), withheld: withheld === null ? null : Number(withheld) } as FetchedRow
  }
  return (
    db: Connection,
    names: readonly string[],
    lanes: readonly LaneCursor[],
    mostData = Number.MAX_SAFE_INTEGER,
  ): readonly FetchedRow[] => {
    const seqs = lanes.flatMap(({ lane, after, limit }) =>
      names
        .flatMap((name) => db.all(scanSql, name, lane, after, limit))
        .map((row) => row['seq'] as number | bigint)
        .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
        .slice(0, limit),
    )
    if (seqs.length === 0) return []
    const most = Math.min(mostData, Number.MAX_SAFE_INTEGER)
    return db.tuples(readSql, most, `[${seqs.join(',')}]`).map((row) => readFetched(row))
  }
}

/** By id, with the sizes that the fetch gave. */
export function fetchData(t: Tables) {
  const text = `
    SELECT ${selectList(DATA_COLUMNS)} FROM ${t.events} WHERE id IN (SELECT value FROM json_each(?))`
  const readRow = tupleReader(DATA_COLUMNS)
  return (
    db: Connection,
    rows: readonly Pick<FetchedRow, 'id' | 'withheld'>[],
    bytes: number,
  ): readonly FetchedData[] => {
    const ids = firstThatFit(rows, bytes).map(({ id }) => toSqlId(id))
    return ids.length === 0 ? [] : db.tuples(text, JSON.stringify(ids)).map(readRow)
  }
}

/** One entry at the end of the lane's range of the hot index for each name. */
export function lastSeq(t: Tables) {
  const text = `
    SELECT seq FROM ${t.events} INDEXED BY ${t.index.hot}
    WHERE publisher_backend = ? AND lane = ? AND available_at IS NULL AND status IN ('pending', 'retry', 'processing')
    ORDER BY seq DESC LIMIT 1`
  return (db: Connection, names: readonly string[], lane: number): number | undefined => {
    const found = names.flatMap((name) => db.all(text, name, lane)).map((row) => Number(row['seq']))
    return found.length === 0 ? undefined : Math.max(...found)
  }
}

/** One jump per name along the index of what is due, and of what is parked. */
export function waitingNames(t: Tables) {
  const next = (index: string, available: string, compare: string) => `
    SELECT publisher_backend AS backend FROM ${t.events} INDEXED BY ${index}
    WHERE available_at ${available} AND status IN ('pending', 'retry', 'processing') AND publisher_backend ${compare} ?
    ORDER BY publisher_backend LIMIT 1`
  const walks = [
    [t.index.hot, 'IS NULL'],
    [t.index.parked, 'IS NOT NULL'],
  ] as const
  const texts = walks.map(([index, available]) => ({
    first: next(index, available, '>='),
    later: next(index, available, '>'),
  }))

  return (db: Connection, limit: number): readonly string[] => {
    const names = new Set<string>()
    for (const { first, later } of texts) {
      let row = db.get(first, '')
      for (let looked = 0; row !== undefined && looked < limit; looked++) {
        const name = String(row['backend'])
        names.add(name)
        row = db.get(later, name)
      }
    }
    return [...names].slice(0, limit)
  }
}
