import { type DestinationStore, LONGEST_PROBE_WAIT, MOST_DESTINATIONS } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { NOW, nowPlus } from './literals.ts'
import { type Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** The open breakers of destinations. Each call is one conditional write of one row: of two callers one succeeds. */
export function destinations(client: Client, t: Tables): DestinationStore {
  const changed = async (statement: Sql): Promise<boolean> => (await client.run(statement)) === 1
  const of = (backend: string, destination: string): Sql => sql`backend = ${backend} AND destination = ${destination}`

  return {
    /** An instant beyond the longest wait is one that the clock left behind when it was set back. */
    async list(backend) {
      const rows = await client.query(sql`
SELECT destination AS name, error AS text, TIMESTAMPDIFF(MICROSECOND, ${NOW}, probe_at) AS number,
  TIMESTAMPDIFF(MICROSECOND, since, ${NOW}) AS fence
FROM ${t.destinations} WHERE backend = ${backend} ORDER BY destination`)
      return rows.map((row) => ({
        destination: String(row['name']),
        probeIn: Math.min(LONGEST_PROBE_WAIT, Number(row['number']) / 1_000),
        since: Number(row['fence']) / 1_000,
        error: String(row['text']),
      }))
    },
    /** The table may not be read beside its own DELETE, but for a copy of it. */
    async open(backend, destination, probeAfter, error) {
      await client.run(sql`
DELETE FROM ${t.destinations} WHERE backend = ${backend} AND since <= (
  SELECT newest.since FROM (
    SELECT since FROM ${t.destinations} WHERE backend = ${backend}
    ORDER BY since DESC LIMIT 1 OFFSET ${MOST_DESTINATIONS - 1}) AS newest)`)
      return changed(sql`
INSERT IGNORE INTO ${t.destinations} (backend, destination, probe_at, since, error)
VALUES (${backend}, ${destination}, ${nowPlus(probeAfter)}, ${NOW}, ${error})`)
    },
    tryProbe: (backend, destination, again) =>
      changed(sql`
UPDATE ${t.destinations} SET probe_at = ${nowPlus(again)}
WHERE ${of(backend, destination)} AND (probe_at <= ${NOW} OR probe_at > ${nowPlus(LONGEST_PROBE_WAIT)})`),
    async postpone(backend, destination, probeAfter, error) {
      await client.run(sql`
UPDATE ${t.destinations} SET probe_at = ${nowPlus(probeAfter)}, error = ${error} WHERE ${of(backend, destination)}`)
    },
    close: (backend, destination) => changed(sql`DELETE FROM ${t.destinations} WHERE ${of(backend, destination)}`),
  }
}
