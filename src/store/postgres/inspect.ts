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
import type { Client } from './client.ts'
import { waitingNames } from './fetch.ts'
import { inspectServer } from './inspect-server.ts'
import type { Tables } from './tables.ts'
import { UNSETTLED } from './values.ts'

const OURS = ['identity', 'hot', 'parked', 'troubled']

/**
 * Looks at what the outbox cannot repair by itself: indexes that are not ours, rows that no worker sees, and the clock.
 */
export function inspect(client: Client, t: Tables): (options?: InspectOptions) => Promise<Inspection> {
  const text = `
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition, i.indisvalid AS valid,
  date_part('epoch', clock_timestamp()) * 1000 AS now
FROM (SELECT to_regclass($1) AS events) AS o
LEFT JOIN pg_index AS i ON i.indrelid = o.events AND NOT i.indisprimary
  AND i.indexrelid <> ALL (array_remove(array(SELECT to_regclass(unnest($2::text[]))::oid), NULL))
ORDER BY 1`
  const missing = `
SELECT n.name FROM unnest($1::text[]) WITH ORDINALITY AS n(name, place)
LEFT JOIN pg_index AS i ON i.indexrelid = to_regclass(n.name)
WHERE i.indisvalid IS NOT TRUE ORDER BY n.place`
  const look = unreachable(client, t)
  const ours = OURS.map((suffix) => t.named(suffix))
  const server = inspectServer(client, t)
  return async ({ transactionAge = TRANSACTION_AGE } = {}) => {
    const rows = await client.query(text, [t.events, ours])
    return {
      missingIndexes: (await client.query(missing, [ours])).map(({ name }) => String(name)),
      unreachable: await look(),
      server: await server(transactionAge),
      now: new Date(Number(rows[0]?.['now'])),
      extraIndexes: rows.flatMap(({ name, definition }) =>
        name == null || definition == null
          ? []
          : [{ name, on: onOf(definition), drop: `DROP INDEX CONCURRENTLY ${name}` }],
      ),
    }
  }
}

/** `(status, scheduled_at)` of a definition. */
function onOf(definition: string): string {
  return /USING \w+ (.*)$/.exec(definition)?.[1] ?? definition
}

/** Lanes by ranges of the indexes of what is due and of what is parked; statuses in the ends of the table. */
function unreachable(client: Client, t: Tables): () => Promise<readonly Unreachable[]> {
  const names = waitingNames(client, t)
  // Ordered as the index is, and a range for each name: nothing else of it is read, whatever the statistics.
  const beyond = (available: 'IS NULL' | 'IS NOT NULL', range: string): string => `
SELECT 1 FROM unnest($1::text[]) AS n(name) CROSS JOIN LATERAL (
  SELECT FROM ${t.events} AS e
  WHERE e.publisher_backend = n.name AND e.lane ${range} AND e.available_at ${available} AND e.status IN ${UNSETTLED}
  ORDER BY e.publisher_backend, e.lane LIMIT ${MOST_COUNTED}) AS each`
  const laneText = `
SELECT s.lanes, (SELECT count(*) FROM (${(['IS NULL', 'IS NOT NULL'] as const)
    .flatMap((available) => [beyond(available, '< 0'), beyond(available, '>= s.lanes')])
    .join(' UNION ALL ')}) AS rows) AS found
FROM ${t.settings} AS s`
  const statusText = wrongStatuses(
    (direction) => `(SELECT e.id, e.status FROM ${t.events} AS e ORDER BY e.id ${direction} LIMIT ${LOOKED_AT})`,
  )

  return async () => {
    const [row] = await client.query(laneText, [await names(MOST_NAMES)])
    const lanes = Number(row?.['lanes'])
    const lane = `CASE WHEN partition_key IS NULL THEN floor(random() * ${lanes}) ELSE ('x' || left(encode(sha256(convert_to(partition_key, 'UTF8')), 'hex'), 8))::bit(32)::bigint % ${lanes} END`
    const statuses = await client.transaction(async (tx) => {
      // With old statistics the planner thinks that both ends are the whole table, which it reads and sorts.
      await tx.query('SET LOCAL enable_sort = off')
      // And with what that is said to cost it would compile the query.
      await tx.query('SET LOCAL jit = off')
      return tx.query(statusText)
    })
    return unreachableRows(t.events, { statuses, beyond: Number(row?.['found'] ?? 0), lanes, lane })
  }
}
