import {
  type Inspection,
  LOOKED_AT,
  MOST_COUNTED,
  MOST_NAMES,
  type Unreachable,
  unreachableRows,
  wrongStatuses,
} from '../inspection.ts'
import { type InspectOptions, TRANSACTION_AGE } from '../server-look.ts'
import { fromSqlDate } from '../values.ts'
import type { Client } from './client.ts'
import { waitingNames } from './fetch.ts'
import { inspectServer } from './inspect-server.ts'
import { laneDefault } from './schema/columns.ts'
import { Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { NOW, STAGE } from './values.ts'

/** Inspects what the outbox cannot repair by itself: indexes that are not ours, rows that no worker sees, the clock. */
export function inspect(client: Client, t: Tables): (options?: InspectOptions) => Promise<Inspection> {
  const wanted = ['PRIMARY', ...Object.values(t.index).map(({ text }) => text.slice(1, -1))]
  const ours: ReadonlySet<string> = new Set(wanted)
  const look = unreachable(client, t)
  return async ({ transactionAge = TRANSACTION_AGE } = {}) => {
    // CAST, since the client would read an instant in this process's time zone.
    const [clock] = await client.query(sql`SELECT CAST(${NOW} AS CHAR) AS now`)
    const rows = await client.query(sql`SHOW INDEX FROM ${t.events}`)
    const there = new Set(rows.map((row) => String(row['Key_name'])))
    const missingIndexes = wanted.filter((name) => !there.has(name))
    const columns = new Map<string, string[]>()
    for (const row of rows) {
      const name = String(row['Key_name'])
      if (ours.has(name)) continue
      // MySQL can index expressions.
      columns.set(name, [...(columns.get(name) ?? []), String(row['Column_name'] ?? row['Expression'])])
    }
    return {
      missingIndexes,
      unreachable: missingIndexes.length > 0 ? [] : await look(),
      server: await inspectServer(client, transactionAge),
      now: fromSqlDate(clock?.['now']),
      extraIndexes: [...columns]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, on]) => ({
          name,
          on: `(${on.join(', ')})`,
          drop: `DROP INDEX \`${name}\` ON ${t.events.text}`,
        })),
    }
  }
}

/**
 * Lanes by ranges of the work index; statuses at the ends of the table. A column that the index lacks is selected: with
 * the statistics of a small table MySQL would read the whole index where it needs no row.
 */
function unreachable(client: Client, t: Tables): () => Promise<readonly Unreachable[]> {
  const names = waitingNames(client, t)
  const statusText = wrongStatuses(
    (direction) => `(SELECT seq, status FROM ${t.events.text} FORCE INDEX (${t.index.seq.text})
  ORDER BY seq ${direction} LIMIT ${LOOKED_AT})`,
  )
  return async () => {
    const [settings] = await client.query(sql`SELECT lanes FROM ${t.settings}`)
    const lanes = Number(settings?.['lanes'])
    let beyond = 0
    for (const name of await names(MOST_NAMES)) {
      const [row] = await client.query(sql`
SELECT COUNT(*) AS found FROM (
  SELECT status FROM ${t.events} FORCE INDEX (${t.index.work})
  WHERE publisher_backend = ${name} AND stage IN (${[STAGE.hot, STAGE.parked, STAGE.retrying]})
    AND (lane < 0 OR lane >= ${lanes}) LIMIT ${MOST_COUNTED}) AS beyond`)
      beyond += Number(row?.['found'] ?? 0)
    }
    const statuses = await client.query(new Sql(statusText))
    return unreachableRows(t.events.text, { statuses, beyond, lanes, lane: laneDefault(lanes) })
  }
}
