import type { Client } from '../../client.ts'
import type { Tables } from '../../tables.ts'
import { takeOverTable } from '../takeover/steps.ts'

/**
 * Whether objects of ours are there, and the table that says of which version they are is not. An events table that
 * Django made is not ours, and neither is a take-over that is running.
 */
export async function hasLostRecords(client: Client, t: Tables): Promise<boolean> {
  // Naming pg_class makes this session see tables made by others: by itself to_regclass answers from a cache.
  const [found] = await client.query(
    `SELECT to_regclass($1) AS events, to_regclass($2) AS migrations, to_regclass($3) AS takeover,
  EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'lane' AND attnotnull) AS ours,
  coalesce(to_regclass($4), to_regclass($5), to_regclass($6), to_regclass($7)) IS NOT NULL
    OR to_regproc($8) IS NOT NULL OR to_regproc($9) IS NOT NULL AS others
FROM pg_catalog.pg_class LIMIT 1`,
    [
      t.events,
      t.migrations,
      takeOverTable(t),
      t.settings,
      t.lanes,
      t.workers,
      t.inbox,
      t.object('complete_row'),
      t.object('wake'),
    ],
  )
  if (found === undefined || found['migrations'] != null || found['takeover'] != null) return false
  return found['events'] == null ? found['others'] === 't' : found['ours'] === 't'
}

/** The number of lanes that the outbox was made with, from whatever still tells it; undefined = nothing does. */
export async function lanesLeft(client: Client, t: Tables): Promise<number | undefined> {
  const [settings] = await client.query(`SELECT to_regclass($1) AS found, to_regclass($2) AS lanes`, [
    t.settings,
    t.lanes,
  ])
  if (settings?.['found'] != null) {
    const [row] = await client.query(`SELECT lanes FROM ${t.settings}`)
    if (row !== undefined) return Number(row['lanes'])
  }
  const [trigger] = await client.query(
    `SELECT substring(prosrc FROM 'random\\(\\) \\* (\\d+)') AS lanes FROM pg_proc WHERE oid = to_regproc($1)`,
    [t.object('complete_row')],
  )
  if (trigger?.['lanes'] != null) return Number(trigger['lanes'])
  if (settings?.['lanes'] == null) return undefined
  const [most] = await client.query(`SELECT max(lane) + 1 AS lanes FROM ${t.lanes}`)
  return most?.['lanes'] == null ? undefined : Number(most['lanes'])
}
