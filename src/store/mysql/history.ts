import {
  ADDED_COLUMNS,
  addedRows,
  addedValues,
  FLOW_SPANS,
  flowRowOf,
  type HistoryStore,
  MOST_FLOW_ROWS,
  MOST_OUTAGES,
  outageOf,
  TIMED_COLUMNS,
  type TimedRow,
} from '../history-store.ts'
import { rowReader } from '../rows.ts'
import { fromSqlDate, toSqlId } from '../values.ts'
import type { Client } from './client.ts'
import { join, Sql, sql, utf8 } from './sql.ts'
import type { Tables } from './tables.ts'
import { NOW, readersOf, selectList } from './values.ts'

/** Seconds since 1970, whatever the session's time zone is. */
const SECONDS = new Sql("TIMESTAMPDIFF(SECOND, '1970-01-01', UTC_TIMESTAMP())")

/** What happened to the outbox. */
export function history(client: Client, t: Tables): HistoryStore {
  const columns = new Sql(['backend', 'seq', ...ADDED_COLUMNS].join(', '))
  const sums = new Sql(ADDED_COLUMNS.map((name) => `${name} = ${name} + VALUES(${name})`).join(', '))
  const newest = sql`COALESCE((SELECT MAX(e.seq) FROM ${t.events} AS e), 0)`
  // An instant ahead was left behind by a clock that was set back.
  const forgotten = FLOW_SPANS.map(
    ({ seconds, kept }) =>
      sql`(span = ${seconds} AND (began < ${SECONDS} - ${seconds * kept} OR began > ${SECONDS} + ${seconds}))`,
  )
  const text = (name: string): Sql => sql`${utf8(new Sql(name))} AS ${new Sql(name)}`
  const date = (name: string): Sql => new Sql(`CAST(${name} AS CHAR) AS ${name}`)
  const isOpen = (backend: string, destination: string): Sql =>
    sql`backend = ${backend} AND destination = ${destination} AND closed_at IS NULL`
  const readTimed = rowReader(TIMED_COLUMNS, readersOf('raw')) as (row: object) => TimedRow
  const run = async (statement: Sql): Promise<void> => {
    await client.run(statement)
  }
  return {
    async count(flow) {
      const rows = FLOW_SPANS.flatMap(({ seconds }) =>
        addedRows(flow).map((row) => {
          const seq = row.backend === '' ? sql`GREATEST(${row.seq}, ${newest})` : sql`0`
          return sql`(${seconds}, ${SECONDS} DIV ${seconds} * ${seconds}, ${row.backend}, ${seq}, ${addedValues(row)})`
        }),
      )
      await client.run(sql`
INSERT INTO ${t.flow} (span, began, ${columns}) VALUES ${join(rows, ', ')}
ON DUPLICATE KEY UPDATE seq = GREATEST(seq, VALUES(seq)), ${sums}`)
      await client.run(sql`DELETE FROM ${t.flow} WHERE ${join(forgotten, ' OR ')}`)
    },
    async timed(ids) {
      if (ids.length === 0) return []
      const rows = await client.query(sql`
SELECT ${selectList(TIMED_COLUMNS, 'raw')} FROM ${t.events} AS e FORCE INDEX (PRIMARY) WHERE e.id IN (${ids.map(toSqlId)})`)
      return rows.map((row) => readTimed({ ...row }))
    },
    async flow(seconds, spans) {
      const rows = await client.query(sql`
SELECT began, ${columns} FROM ${t.flow}
WHERE span = ${seconds} AND began >= ${SECONDS} DIV ${seconds} * ${seconds} - ${seconds * spans} AND began <= ${SECONDS}
ORDER BY began, backend LIMIT ${MOST_FLOW_ROWS}`)
      const [clock] = await client.query(sql`SELECT CAST(${NOW} AS CHAR) AS now`)
      return { now: fromSqlDate(clock?.['now']), rows: rows.map(flowRowOf) }
    },
    async opened({ backend, destination }, by, reason) {
      await client.transaction(async (tx) => {
        await tx.run(sql`UPDATE ${t.outages} SET closed_at = ${NOW} WHERE ${isOpen(backend, destination)}`)
        await tx.run(sql`
INSERT INTO ${t.outages} (backend, destination, opened_at, opened_by, reason, last_error, closed_by)
VALUES (${backend}, ${destination}, ${NOW}, ${by}, ${reason}, '', '')`)
        // A DELETE may not read its own table, except through a derived table.
        await tx.run(sql`
DELETE FROM ${t.outages} WHERE backend = ${backend} AND id <= (SELECT last.id FROM (
  SELECT o.id FROM ${t.outages} AS o WHERE o.backend = ${backend} ORDER BY o.id DESC LIMIT 1 OFFSET ${MOST_OUTAGES}) AS last)`)
      })
    },
    probed: ({ backend, destination }) =>
      run(sql`UPDATE ${t.outages} SET probes = probes + 1, probed_at = ${NOW} WHERE ${isOpen(backend, destination)}`),
    stillDown: ({ backend, destination }, error) =>
      run(sql`UPDATE ${t.outages} SET last_error = ${error} WHERE ${isOpen(backend, destination)}`),
    closed: ({ backend, destination }, by) =>
      run(sql`UPDATE ${t.outages} SET closed_at = ${NOW}, closed_by = ${by} WHERE ${isOpen(backend, destination)}`),
    async outages({ backend, before, limit }) {
      const where = [
        ...(backend === undefined ? [] : [sql`backend = ${backend}`]),
        ...(before === null ? [] : [sql`id < ${before}`]),
      ]
      const rows = await client.query(sql`
SELECT id, ${text('backend')}, ${text('destination')}, ${date('opened_at')}, ${text('opened_by')}, ${text('reason')}, probes,
  ${date('probed_at')}, ${text('last_error')}, ${date('closed_at')}, ${text('closed_by')}
FROM ${t.outages} ${where.length === 0 ? new Sql('') : sql`WHERE ${join(where, ' AND ')}`} ORDER BY id DESC LIMIT ${limit}`)
      return rows.map((row) => outageOf(row, fromSqlDate))
    },
  }
}
