import type { UnparkReport } from '../relay-store.ts'
import { fromSqlId } from '../values.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, millisecondsBetween, NOW } from './values.ts'

interface Parked {
  readonly seq: number | bigint
  readonly availableAt: string
  /** Its id, when it has a key and was between retries. */
  readonly head: string | undefined
}

/** Unparks due rows. Their `updated_at` says when, so they stay due when the clock is set back. */
export function unpark(t: Tables) {
  const parked = `
    FROM ${t.events} INDEXED BY ${t.index.parked}
    WHERE publisher_backend = ? AND lane = ?
      AND available_at IS NOT NULL AND status IN ('pending', 'retry', 'processing')`
  const firstSql = `SELECT available_at ${parked} AND available_at < ${FAR_FUTURE_SQL} ORDER BY available_at LIMIT 1`
  const dueSql = `
    SELECT seq, available_at, CASE WHEN status = 'retry' AND partition_key IS NOT NULL THEN id END AS head ${parked}
      AND available_at <= ? ORDER BY available_at, seq LIMIT ?`
  const unparkSql = `
    UPDATE ${t.events} SET available_at = NULL, updated_at = max(updated_at, ${NOW})
    WHERE seq IN (SELECT value FROM json_each(?))`

  const now = (db: Connection): string => String(db.get(`SELECT ${NOW} AS now`)?.['now'])
  const firstOf = (db: Connection, names: readonly string[], lane: number): string | undefined =>
    names
      .flatMap((name) => db.all(firstSql, name, lane))
      .map((row) => String(row['available_at']))
      .sort()[0]

  return {
    /** Whether anything is due; most calls end here, without a write lock. */
    look(db: Connection, names: readonly string[], lanes: readonly number[]) {
      const at = now(db)
      const first = lanes.map((lane) => ({ lane, at: firstOf(db, names, lane) }))
      return {
        due: first.filter((each) => each.at !== undefined && each.at <= at).map((each) => each.lane),
        nextDueIn: untilFirst(
          first.flatMap((each) => each.at ?? []),
          at,
        ),
      }
    },

    apply(db: Connection, names: readonly string[], lanes: readonly number[], limitPerLane: number): UnparkReport {
      const at = now(db)
      const woken: { lane: number; firstSeq: number; count: number }[] = []
      const heads: string[] = []
      const more: number[] = []
      for (const lane of lanes) {
        const due = names
          .flatMap((name) => db.all(dueSql, name, lane, at, limitPerLane + 1))
          .map(
            (row): Parked => ({
              seq: row['seq'] as number | bigint,
              availableAt: String(row['available_at']),
              head: row['head'] === null ? undefined : fromSqlId(row['head']),
            }),
          )
          .sort((a, b) =>
            a.availableAt < b.availableAt ? -1 : a.availableAt > b.availableAt ? 1 : a.seq < b.seq ? -1 : 1,
          )
        const rows = due.slice(0, limitPerLane)
        if (due.length > rows.length) more.push(lane)
        if (rows.length === 0) continue
        const seqs = rows.map((row) => row.seq)
        db.run(unparkSql, `[${seqs.join(',')}]`)
        heads.push(...rows.flatMap(({ head }) => head ?? []))
        woken.push({ lane, firstSeq: Math.min(...seqs.map(Number)), count: seqs.length })
      }
      const left = lanes.flatMap((lane) => firstOf(db, names, lane) ?? [])
      return { woken, heads, locked: [], more, nextDueIn: untilFirst(left, at) }
    },
  }
}

/** Milliseconds until the first of these instants, at least 0; null = there is none. */
function untilFirst(instants: readonly string[], now: string): number | null {
  const [first] = instants.toSorted()
  return first === undefined ? null : Math.max(0, millisecondsBetween(now, first))
}
