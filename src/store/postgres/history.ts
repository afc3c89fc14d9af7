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
import type { Client, RawRow } from './client.ts'
import type { Tables } from './tables.ts'
import { dateOf, READERS, selectList } from './values.ts'

const plain = (text: string): string => text.replaceAll('\0', '')

/** What happened to the outbox. */
export function history(client: Client, t: Tables): HistoryStore {
  const columns = ['backend', 'seq', ...ADDED_COLUMNS]
  const seconds = `floor(date_part('epoch', statement_timestamp()))::bigint`
  // The sequence tells what was given out, also while nothing is delivered; who may not read it counts what workers saw.
  const given = `(SELECT CASE WHEN has_sequence_privilege(s.name, 'SELECT, USAGE') THEN pg_sequence_last_value(s.name::regclass) END
    FROM pg_get_serial_sequence($3, 'seq') AS s(name))`
  // An instant ahead was left behind by a clock that was set back.
  const forgetText = FLOW_SPANS.map(
    ({ seconds: span, kept }) => `
(span = ${span} AND (began < ${seconds} - ${span * kept} OR began > ${seconds} + ${span}))`,
  ).join(' OR ')
  const countText = `
WITH forgotten AS (DELETE FROM ${t.flow} WHERE ${forgetText})
INSERT INTO ${t.flow} AS f (span, began, ${columns.join(', ')})
SELECT s.span, ${seconds} / s.span * s.span, a.backend,
  CASE WHEN a.backend = '' THEN greatest(a.seq, ${given}) ELSE 0 END, ${ADDED_COLUMNS.map((name) => `a.${name}`).join(', ')}
FROM json_to_recordset($1::json) AS a(backend text, ${columns
    .slice(1)
    .map((name) => `${name} bigint`)
    .join(', ')})
CROSS JOIN unnest($2::integer[]) AS s(span)
ORDER BY s.span, a.backend
ON CONFLICT (span, began, backend) DO UPDATE
SET seq = greatest(f.seq, excluded.seq), ${ADDED_COLUMNS.map((name) => `${name} = f.${name} + excluded.${name}`).join(', ')}`
  const flowText = `
SELECT began, ${columns.join(', ')}, date_part('epoch', statement_timestamp()) * 1000 AS now FROM ${t.flow}
WHERE span = $1::integer AND began >= ${seconds} / $1::integer * $1::integer - $1::integer * $2::bigint AND began <= ${seconds}
ORDER BY began, backend LIMIT ${MOST_FLOW_ROWS}`
  // One by one: for a list of ids the planner reads all of a table that it takes for small.
  const timedText = `
SELECT e.* FROM unnest($1::uuid[]) AS given(id)
CROSS JOIN LATERAL (SELECT ${selectList(TIMED_COLUMNS)} FROM ${t.events} AS e WHERE e.id = given.id OFFSET 0) AS e`
  const readTimed = rowReader(TIMED_COLUMNS, READERS) as (row: RawRow) => TimedRow
  const named = `backend = $1 AND destination = $2 AND closed_at IS NULL`
  const at = (name: string): string => `date_part('epoch', ${name}) * 1000 AS ${name}`
  const run = async (text: string, values: readonly (string | number)[]): Promise<void> => {
    await client.query(text, values)
  }
  return {
    async count(flow) {
      const rows = addedRows(flow).map((row) =>
        Object.fromEntries(columns.map((name, n) => [name, [row.backend, row.seq, ...addedValues(row)][n]])),
      )
      const spans = FLOW_SPANS.map((span) => span.seconds)
      await client.query(countText, [JSON.stringify(rows), spans, t.events], 'keep')
    },
    async timed(ids) {
      const rows = await client.query(timedText, [ids], 'keep')
      return rows.map(readTimed)
    },
    async flow(span, spans) {
      const rows = await client.query(flowText, [span, spans])
      const [first] = rows
      const [clock] = first
        ? [first]
        : await client.query("SELECT date_part('epoch', statement_timestamp()) * 1000 AS now")
      return { now: dateOf(Number(clock?.['now'])), rows: rows.map(flowRowOf) }
    },
    async opened({ backend, destination }, by, reason) {
      await client.transaction(async (tx) => {
        await tx.query(`UPDATE ${t.outages} SET closed_at = clock_timestamp() WHERE ${named}`, [backend, destination])
        await tx.query(`INSERT INTO ${t.outages} (backend, destination, opened_by, reason) VALUES ($1, $2, $3, $4)`, [
          backend,
          destination,
          plain(by),
          plain(reason),
        ])
        await tx.query(
          `DELETE FROM ${t.outages} WHERE backend = $1 AND id <= (
  SELECT o.id FROM ${t.outages} AS o WHERE o.backend = $1 ORDER BY o.id DESC OFFSET ${MOST_OUTAGES} LIMIT 1)`,
          [backend],
        )
      })
    },
    probed: ({ backend, destination }) =>
      run(`UPDATE ${t.outages} SET probes = probes + 1, probed_at = clock_timestamp() WHERE ${named}`, [
        backend,
        destination,
      ]),
    stillDown: ({ backend, destination }, error) =>
      run(`UPDATE ${t.outages} SET last_error = $3 WHERE ${named}`, [backend, destination, plain(error)]),
    closed: ({ backend, destination }, by) =>
      run(`UPDATE ${t.outages} SET closed_at = clock_timestamp(), closed_by = $3 WHERE ${named}`, [
        backend,
        destination,
        plain(by),
      ]),
    async outages({ backend = null, before, limit }) {
      const rows = await client.query(
        `SELECT id, backend, destination, opened_by, reason, probes, last_error, closed_by,
  ${at('opened_at')}, ${at('probed_at')}, ${at('closed_at')} FROM ${t.outages}
WHERE ($1::text IS NULL OR backend = $1::text) AND ($2::bigint IS NULL OR id < $2::bigint)
ORDER BY id DESC LIMIT $3::bigint`,
        [backend, before, limit],
      )
      return rows.map((row) => outageOf(row, (value) => dateOf(Number(value))))
    },
  }
}
