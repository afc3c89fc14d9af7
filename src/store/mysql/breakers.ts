import {
  type BreakerStore,
  type DestinationStore,
  LONGEST_BREAKER_WAIT,
  LONGEST_PROBE_WAIT,
  MOST_DESTINATIONS,
} from '../coordination-store.ts'
import type { Client, Runs } from './client.ts'
import { Sql, sql, utf8 } from './sql.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** The breaker of each backend. Each call is one conditional write of one row: of two callers one succeeds. */
export function breakers(client: Client, t: Tables): BreakerStore {
  const changed = async (statement: Sql): Promise<boolean> => (await client.run(statement)) === 1
  /** The row count of an upsert differs between clients, so each change is an update. */
  const make = (backend: string): Promise<number> =>
    client.run(sql`
INSERT INTO ${t.breakers} (backend, open, probe_at, since, error) VALUES (${backend}, 0, ${NOW}, ${NOW}, '')
ON DUPLICATE KEY UPDATE backend = VALUES(backend)`)

  return {
    async open(backend, probeAfter, error) {
      await make(backend)
      return changed(sql`
UPDATE ${t.breakers} SET open = 1, probe_at = ${nowPlus(probeAfter)}, since = ${NOW}, error = ${error}
WHERE backend = ${backend} AND open = 0`)
    },
    tryProbe: (backend, again) =>
      changed(sql`
UPDATE ${t.breakers} SET probe_at = ${nowPlus(again)} WHERE backend = ${backend} AND open = 1
  AND (probe_at <= ${NOW} OR probe_at > ${nowPlus(LONGEST_BREAKER_WAIT)})`),
    async postpone(backend, probeAfter, error) {
      await client.run(sql`
UPDATE ${t.breakers} SET probe_at = ${nowPlus(probeAfter)}, error = ${error} WHERE backend = ${backend} AND open = 1`)
    },
    close: (backend) =>
      changed(sql`UPDATE ${t.breakers} SET open = 0, since = ${NOW} WHERE backend = ${backend} AND open = 1`),
    async pause(backend, by, reason) {
      await make(backend)
      return changed(sql`
UPDATE ${t.breakers} SET paused_at = ${NOW}, paused_by = ${by}, pause_reason = ${reason}
WHERE backend = ${backend} AND paused_at IS NULL`)
    },
    resume: (backend) =>
      changed(sql`
UPDATE ${t.breakers} SET paused_at = NULL, paused_by = NULL, pause_reason = NULL
WHERE backend = ${backend} AND paused_at IS NOT NULL`),
  }
}

/** The open breakers of destinations. Each call is one conditional write of one row: of two callers one succeeds. */
export function destinations(client: Runs, t: Tables): DestinationStore {
  const changed = async (statement: Sql): Promise<boolean> => (await client.run(statement)) === 1
  const of = (backend: string, destination: string): Sql => sql`backend = ${backend} AND destination = ${destination}`

  return {
    /** An instant beyond the longest wait was left behind by a clock that was set back. */
    async list(backend) {
      const rows = await client.query(sql`
SELECT ${utf8(new Sql('destination'))} AS name, ${utf8(new Sql('error'))} AS text,
  TIMESTAMPDIFF(MICROSECOND, ${NOW}, probe_at) AS number,
  GREATEST(TIMESTAMPDIFF(MICROSECOND, since, ${NOW}), 0) AS fence
FROM ${t.destinations} WHERE backend = ${backend} ORDER BY destination`)
      return rows.map((row) => ({
        destination: String(row['name']),
        probeIn: Math.min(LONGEST_PROBE_WAIT, Number(row['number']) / 1_000),
        since: Number(row['fence']) / 1_000,
        error: String(row['text']),
      }))
    },
    /** A DELETE may not read its own table, except through a derived table. */
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
