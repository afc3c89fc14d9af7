import {
  type Inspection,
  LOOKED_AT,
  MOST_COUNTED,
  MOST_NAMES,
  type Unreachable,
  unreachableRows,
  wrongStatuses,
} from '../inspection.ts'
import { fromSqlDate } from '../values.ts'
import type { Connection } from './connection.ts'
import { waitingNames } from './fetch.ts'
import type { Tables } from './tables.ts'
import { NOW } from './values.ts'

/** Inspects what the outbox cannot repair by itself: indexes that are not ours, rows that no worker sees, the clock. */
export function inspect(t: Tables) {
  const indexesSql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
  const ours: ReadonlySet<string> = new Set(Object.values(t.index))
  const wanted = [t.index.identity, t.index.hot, t.index.parked, t.index.troubled]
  const look = unreachable(t)
  return (db: Connection): Inspection => {
    const indexes = db.all(indexesSql, t.events.slice(1, -1)).map((row) => ({
      name: `"${String(row['name'])}"`,
      on: onOf(String(row['sql'])),
    }))
    const there = new Set(indexes.map(({ name }) => name))
    const missing = wanted.filter((name) => !there.has(name))
    return {
      unreachable: missing.length > 0 ? [] : look(db),
      now: fromSqlDate(db.get(`SELECT ${NOW} AS now`)?.['now']),
      missingIndexes: missing.map((name) => name.slice(1, -1)),
      extraIndexes: indexes
        .filter(({ name }) => !ours.has(name))
        .map(({ name, on }) => ({ name: name.slice(1, -1), on, drop: `DROP INDEX ${name}` })),
      server: {},
    }
  }
}

/** `("status", "scheduled_at")` of a definition. */
function onOf(sql: string): string {
  return /\bON\s+\S+\s*(\(.*)$/is.exec(sql)?.[1] ?? sql
}

/** Lanes by ranges of the indexes of what is due and what is parked; statuses at the ends of the table. */
function unreachable(t: Tables): (db: Connection) => readonly Unreachable[] {
  const names = waitingNames(t)
  const texts = [
    [t.index.hot, 'IS NULL'],
    [t.index.parked, 'IS NOT NULL'],
  ].flatMap(([index, available]) =>
    // Both take one value, so that they can be run alike.
    ['lane < min(0, ?)', 'lane >= ?'].map(
      (range) => `SELECT count(*) AS found FROM (SELECT 1 FROM ${t.events} INDEXED BY ${index}
    WHERE publisher_backend = ? AND ${range} AND available_at ${available}
      AND status IN ('pending', 'retry', 'processing') LIMIT ${MOST_COUNTED})`,
    ),
  )
  const statusText = wrongStatuses(
    (direction) => `SELECT * FROM (SELECT seq, status FROM ${t.events} ORDER BY seq ${direction} LIMIT ${LOOKED_AT})`,
  )

  return (db) => {
    const lanes = Number(db.get(`SELECT lanes FROM ${t.settings}`)?.['lanes'])
    let beyond = 0
    for (const name of names(db, MOST_NAMES)) {
      for (const text of texts) beyond += Number(db.get(text, name, lanes)?.['found'] ?? 0)
    }
    // SQLite has no SHA-256: the lane of the key's last event, or any, but the same for a key.
    const lane = `coalesce((SELECT o.lane FROM ${t.events} AS o WHERE o.partition_key = ${t.events}.partition_key AND o.lane BETWEEN 0 AND ${lanes - 1} ORDER BY o.seq DESC LIMIT 1), length(partition_key) % ${lanes}, abs(random() % ${lanes}))`
    return unreachableRows(t.events, { statuses: db.all(statusText), beyond, lanes, lane })
  }
}
