import {
  ADDED_COLUMNS,
  addedRows,
  addedValues,
  FLOW_SPANS,
  type FlowSeconds,
  flowRowOf,
  type HistoryStore,
  MOST_FLOW_ROWS,
  MOST_OUTAGES,
  outageOf,
  TIMED_COLUMNS,
} from '../history-store.ts'
import { fromSqlDate, toSqlId } from '../values.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'
import { NOW, selectList, tupleReader } from './values.ts'

/** Seconds since 1970. */
const SECONDS = "CAST(strftime('%s', 'now') AS INTEGER)"

/** What happened to the outbox. */
export function history(database: Database, t: Tables): HistoryStore {
  const columns = ['backend', 'seq', ...ADDED_COLUMNS]
  const newest = `coalesce((SELECT max(seq) FROM ${t.events}), 0)`
  // A number that is bound is a REAL, which no division makes whole.
  const countSql = (seconds: FlowSeconds): string => `
    INSERT INTO ${t.flow} (span, began, ${columns.join(', ')})
    VALUES (${seconds}, ${SECONDS} / ${seconds} * ${seconds}, ?, CASE WHEN ? = '' THEN max(?, ${newest}) ELSE 0 END, ${ADDED_COLUMNS.map(() => '?').join(', ')})
    ON CONFLICT (span, began, backend) DO UPDATE
    SET seq = max(seq, excluded.seq), ${ADDED_COLUMNS.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`
  // An instant ahead was left behind by a clock that was set back.
  const forgotten = FLOW_SPANS.map(
    ({ seconds, kept }) =>
      `(span = ${seconds} AND (began < ${SECONDS} - ${seconds * kept} OR began > ${SECONDS} + ${seconds}))`,
  )
  const forgetSql = `DELETE FROM ${t.flow} WHERE ${forgotten.join(' OR ')}`
  const flowSql = (seconds: FlowSeconds): string => `
    SELECT began, ${columns.join(', ')} FROM ${t.flow}
    WHERE span = ${seconds} AND began >= ${SECONDS} / ${seconds} * ${seconds} - ${seconds} * ? AND began <= ${SECONDS}
    ORDER BY began, backend LIMIT ${MOST_FLOW_ROWS}`
  const timedSql = `
    SELECT ${selectList(TIMED_COLUMNS)} FROM ${t.events} WHERE id IN (SELECT value FROM json_each(?))`
  const readTimed = tupleReader(TIMED_COLUMNS)
  const isOpen = 'backend = ? AND destination = ? AND closed_at IS NULL'
  const endSql = `UPDATE ${t.outages} SET closed_at = ${NOW} WHERE ${isOpen}`
  const openSql = `
    INSERT INTO ${t.outages} (backend, destination, opened_at, opened_by, reason) VALUES (?, ?, ${NOW}, ?, ?)`
  const pruneSql = `
    DELETE FROM ${t.outages} WHERE backend = ? AND id <= (
      SELECT id FROM ${t.outages} WHERE backend = ? ORDER BY id DESC LIMIT 1 OFFSET ${MOST_OUTAGES})`
  const probedSql = `UPDATE ${t.outages} SET probes = probes + 1, probed_at = ${NOW} WHERE ${isOpen}`
  const stillDownSql = `UPDATE ${t.outages} SET last_error = ? WHERE ${isOpen}`
  const closedSql = `UPDATE ${t.outages} SET closed_at = ${NOW}, closed_by = ? WHERE ${isOpen}`
  const listSql = `
    SELECT * FROM ${t.outages} WHERE (? IS NULL OR backend = ?) AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?`
  const run = (sql: string, ...values: readonly string[]): Promise<void> =>
    database.write((db) => void db.run(sql, ...values))
  return {
    count: (flow) =>
      database.write((db) => {
        for (const { seconds } of FLOW_SPANS) {
          for (const row of addedRows(flow))
            db.run(countSql(seconds), row.backend, row.backend, row.seq, ...addedValues(row))
        }
        db.run(forgetSql)
      }),
    timed: (ids) => database.read((db) => db.tuples(timedSql, JSON.stringify(ids.map(toSqlId))).map(readTimed)),
    flow: (seconds, spans) =>
      database.read((db) => ({
        now: fromSqlDate(db.get(`SELECT ${NOW} AS now`)?.['now']),
        rows: db.all(flowSql(seconds), spans).map(flowRowOf),
      })),
    opened: ({ backend, destination }, by, reason) =>
      database.write((db) => {
        db.run(endSql, backend, destination)
        db.run(openSql, backend, destination, by, reason)
        db.run(pruneSql, backend, backend)
      }),
    probed: ({ backend, destination }) => run(probedSql, backend, destination),
    stillDown: ({ backend, destination }, error) => run(stillDownSql, error, backend, destination),
    closed: ({ backend, destination }, by) => run(closedSql, by, backend, destination),
    async outages({ backend = null, before, limit }) {
      const rows = await database.read((db) => db.all(listSql, backend, backend, before, before, limit))
      return rows.map((row) => outageOf(row, fromSqlDate))
    },
  }
}
