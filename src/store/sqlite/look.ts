import {
  BACKENDS_LOOKED_AT,
  type BackendCounts,
  backendCounts,
  HEADS_READ,
  INBOX_COUNTED,
  keysHeld,
  type OutboxLook,
  ROWS_READ,
} from '../outbox-look.ts'
import type { Row } from '../statement.ts'
import { fromSqlDate, fromSqlId } from '../values.ts'
import { listDestinations } from './breakers.ts'
import type { Connection } from './connection.ts'
import { survey } from './coordination.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, millisecondsBetween, NOW } from './values.ts'

/** Above this many, rows are not counted one by one: the range of `seq` gives an estimate. */
const COUNTED_ROWS = 100_000

const UNSETTLED = "status IN ('pending', 'retry', 'processing')"

/**
 * All from the partial indexes: published rows are read only for the first part of the total, and for each backend at
 * most `ROWS_READ` rows of each kind.
 */
export function look(t: Tables) {
  const run = { survey: survey(t), destinations: listDestinations(t) }
  const hot = `FROM ${t.events} INDEXED BY ${t.index.hot} WHERE available_at IS NULL AND ${UNSETTLED}`
  const parked = `FROM ${t.events} INDEXED BY ${t.index.parked} WHERE available_at IS NOT NULL AND ${UNSETTLED}`
  const troubled = `FROM ${t.events} INDEXED BY ${t.index.troubled} WHERE status IN ('retry', 'failed')`
  const firstAfter = (rows: string): string => `SELECT min(publisher_backend) AS name ${rows} AND publisher_backend > ?`
  // Less than every text, including the empty name.
  const firstSql = [hot, parked, troubled].map((rows) => `SELECT min(publisher_backend) AS name ${rows}`)
  const nextSql = [hot, parked, troubled].map(firstAfter)
  const lanesSql = `SELECT DISTINCT backend FROM ${t.lanes}`

  // What was due when its row was last written stays due, even if the clock was set back since.
  const dueAt = `CASE WHEN scheduled_at <= max(created_at, updated_at) THEN min(scheduled_at, ${NOW}) ELSE scheduled_at END AS due_at`
  const count = (rows: string): string => `SELECT count(*) AS n FROM (SELECT 1 ${rows} LIMIT ${ROWS_READ})`
  const ofBackend = 'AND publisher_backend = ?'
  // With the lanes named, a range of the index is read for each instead of all that is parked.
  const inLanes = (range: string): string => `
    ${parked} ${ofBackend} AND lane IN (SELECT value FROM json_each(?)) AND ${range}`
  const hotSql = count(`${hot} ${ofBackend}`)
  const dueSql = count(inLanes(`available_at <= ${NOW}`))
  const blockedSql = count(inLanes(`available_at = ${FAR_FUTURE_SQL}`))
  const laterSql = `
    SELECT count(*) AS n, coalesce(sum(due_at <= ${NOW}), 0) AS delayed
    FROM (SELECT ${dueAt} ${inLanes(`available_at > ${NOW} AND available_at < ${FAR_FUTURE_SQL}`)} LIMIT ${ROWS_READ})`
  const troubledSql = `
    SELECT count(*) AS n, coalesce(sum(status = 'retry'), 0) AS retrying, coalesce(sum(status = 'failed'), 0) AS failed,
      count(DISTINCT CASE WHEN status = 'failed' AND available_at IS NOT NULL THEN partition_key END) AS blocked_keys
    FROM (SELECT status, available_at, partition_key ${troubled} ${ofBackend} LIMIT ${ROWS_READ})`
  const headsSql = `
    SELECT id, partition_key, updated_at, ${NOW} AS now
    FROM (SELECT id, lane, seq, status, partition_key, available_at, updated_at ${troubled} ${ofBackend}
      ORDER BY lane, seq LIMIT ${ROWS_READ})
    WHERE status = 'failed' AND available_at IS NOT NULL AND partition_key IS NOT NULL
    ORDER BY lane, seq LIMIT ${HEADS_READ}`
  // The oldest are at the head of each lane. Reading all due rows for one number would take seconds at a million.
  const oldestSql = `
    SELECT min(due_at) AS oldest, ${NOW} AS now FROM (
      SELECT due_at FROM (SELECT ${dueAt} ${hot} ${ofBackend} AND lane = ? ORDER BY seq LIMIT 100)
      UNION ALL
      SELECT due_at FROM (
        SELECT ${dueAt} ${parked} ${ofBackend} AND lane = ? AND available_at <= ${NOW} ORDER BY available_at LIMIT 100))
    WHERE due_at <= ${NOW}`
  const rangeSql = `SELECT (SELECT max(seq) FROM ${t.events}) - (SELECT min(seq) FROM ${t.events}) + 1 AS range`
  const countSql = `SELECT count(*) AS n FROM (SELECT seq FROM ${t.events} LIMIT ${COUNTED_ROWS + 1})`
  // No statistics tell more: a table without row ids has no range of them.
  const inboxSql = `SELECT count(*) AS n FROM (SELECT 1 FROM ${t.inbox} LIMIT ${INBOX_COUNTED})`

  const namesOf = (db: Connection): readonly string[] => {
    const names = new Set(db.all(lanesSql).map((row) => String(row['backend'])))
    for (const [n, first] of firstSql.entries()) {
      let row = db.get(first)
      for (let jumps = 0; row && row['name'] !== null && jumps < BACKENDS_LOOKED_AT; jumps++) {
        const name = String(row['name'])
        names.add(name)
        row = db.get(nextSql[n] ?? '', name)
      }
    }
    return [...names].sort().slice(0, BACKENDS_LOOKED_AT)
  }

  const countsOf = (db: Connection, backend: string, lanes: readonly number[]): BackendCounts => {
    const all = JSON.stringify(lanes)
    const number = (row: Row | undefined, column = 'n'): number => Number(row?.[column])
    const later = db.get(laterSql, backend, all)
    const trouble = db.get(troubledSql, backend)
    const ages = lanes.flatMap((lane) => {
      const { oldest, now } = db.get(oldestSql, backend, lane, backend, lane) ?? {}
      if (oldest == null) return []
      return Math.max(0, millisecondsBetween(oldest, now))
    })
    return backendCounts(backend, {
      ready: number(db.get(hotSql, backend)) + number(db.get(dueSql, backend, all)),
      blocked: number(db.get(blockedSql, backend, all)),
      later: number(later),
      delayed: number(later, 'delayed'),
      troubled: number(trouble),
      retrying: number(trouble, 'retrying'),
      failed: number(trouble, 'failed'),
      blockedKeys: number(trouble, 'blocked_keys'),
      oldestReadyAge: ages.length === 0 ? null : Math.max(...ages),
    })
  }

  return (db: Connection): OutboxLook => {
    const names = namesOf(db)
    const settings = db.get(`SELECT lanes, ${NOW} AS now FROM ${t.settings}`)
    const lanes = Array.from({ length: Number(settings?.['lanes']) }, (_, lane) => lane)
    const counted = Number(db.get(countSql)?.['n'])
    const totalRowsIsEstimate = counted > COUNTED_ROWS
    return {
      now: fromSqlDate(settings?.['now']),
      backends: names.map((name) => countsOf(db, name, lanes)),
      ...run.survey.read(db, names),
      destinations: names.flatMap((backend) => run.destinations(db, backend).map((one) => ({ backend, ...one }))),
      blockedKeys: keysHeld(
        names.flatMap((backend) =>
          db.all(headsSql, backend).map((row) => ({
            backend,
            partitionKey: String(row['partition_key']),
            heldBy: fromSqlId(row['id']),
            since: Math.max(0, millisecondsBetween(row['updated_at'], row['now'])),
          })),
        ),
      ),
      totalRows: totalRowsIsEstimate ? Number(db.get(rangeSql)?.['range']) : counted,
      totalRowsIsEstimate,
      inboxRows: Number(db.get(inboxSql)?.['n']),
    }
  }
}
