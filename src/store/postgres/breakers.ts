import {
  type BreakerStore,
  type DestinationStore,
  LONGEST_BREAKER_WAIT,
  LONGEST_PROBE_WAIT,
  MOST_DESTINATIONS,
} from '../coordination-store.ts'
import type { Client, Queries } from './client.ts'
import type { Tables } from './tables.ts'

/** The breaker of each backend. Each call is one conditional write of one row: of two callers one succeeds. */
export function breakers(client: Client, t: Tables): BreakerStore {
  const open = `
INSERT INTO ${t.breakers} AS b (backend, open, probe_at, since, error)
VALUES ($1, true, clock_timestamp() + $2::float8 * interval '1 millisecond', clock_timestamp(), $3)
ON CONFLICT (backend) DO UPDATE
SET open = true, probe_at = excluded.probe_at, since = excluded.since, error = excluded.error
WHERE NOT b.open
RETURNING b.backend`

  const tryProbe = `
UPDATE ${t.breakers}
SET probe_at = clock_timestamp() + $2::float8 * interval '1 millisecond'
WHERE backend = $1 AND open AND (probe_at <= clock_timestamp()
  OR probe_at > clock_timestamp() + ${LONGEST_BREAKER_WAIT} * interval '1 millisecond')
RETURNING backend`

  const postpone = `
UPDATE ${t.breakers}
SET probe_at = clock_timestamp() + $2::float8 * interval '1 millisecond', error = $3
WHERE backend = $1 AND open`

  const close = `
UPDATE ${t.breakers}
SET open = false, since = clock_timestamp()
WHERE backend = $1 AND open
RETURNING backend`

  const pause = told(`
INSERT INTO ${t.breakers} AS b (backend, open, probe_at, since, error, paused_at, paused_by, pause_reason)
VALUES ($1, false, clock_timestamp(), clock_timestamp(), '', clock_timestamp(), $3, $4)
ON CONFLICT (backend) DO UPDATE
SET paused_at = excluded.paused_at, paused_by = excluded.paused_by, pause_reason = excluded.pause_reason
WHERE b.paused_at IS NULL
RETURNING b.backend`)

  const resume = told(`
UPDATE ${t.breakers} SET paused_at = NULL, paused_by = NULL, pause_reason = NULL
WHERE backend = $1 AND paused_at IS NOT NULL
RETURNING backend`)

  const changed = async (text: string, values: readonly (string | number)[]): Promise<boolean> =>
    (await client.query(text, values)).length === 1

  return {
    open: (backend, probeAfter, error) => changed(open, [backend, probeAfter, error.replaceAll('\0', '')]),
    tryProbe: (backend, again) => changed(tryProbe, [backend, again]),
    async postpone(backend, probeAfter, error) {
      await client.query(postpone, [backend, probeAfter, error.replaceAll('\0', '')])
    },
    close: (backend) => changed(close, [backend]),
    pause: (backend, by, reason) => changed(pause, [backend, t.events, by, reason]),
    resume: (backend) => changed(resume, [backend, t.events]),
  }
}

/** A change of which workers learn at once, where it found a row; `$2` is the events table. */
function told(change: string): string {
  return `WITH changed AS (${change})
SELECT pg_notify('broadcaster_' || $2::regclass::oid, 'lanes') FROM changed`
}

/** The open breakers of destinations. Each call is one conditional write of one row: of two callers one succeeds. */
export function destinations(client: Queries, t: Tables): DestinationStore {
  // An instant beyond the longest wait is one that the clock left behind when it was set back.
  const list = `
SELECT destination, error,
  least(date_part('epoch', probe_at - clock_timestamp()) * 1000, ${LONGEST_PROBE_WAIT})::float8 AS probe_in,
  greatest(date_part('epoch', clock_timestamp() - since) * 1000, 0)::float8 AS since
FROM ${t.destinations} WHERE backend = $1 ORDER BY destination`

  const open = `
WITH dropped AS (
  DELETE FROM ${t.destinations} WHERE backend = $1 AND since <= (
    SELECT since FROM ${t.destinations} WHERE backend = $1 ORDER BY since DESC OFFSET ${MOST_DESTINATIONS - 1} LIMIT 1)
)
INSERT INTO ${t.destinations} (backend, destination, probe_at, since, error)
VALUES ($1, $2, clock_timestamp() + $3::float8 * interval '1 millisecond', clock_timestamp(), $4)
ON CONFLICT (backend, destination) DO NOTHING
RETURNING backend`

  const tryProbe = `
UPDATE ${t.destinations}
SET probe_at = clock_timestamp() + $3::float8 * interval '1 millisecond'
WHERE backend = $1 AND destination = $2
  AND (probe_at <= clock_timestamp() OR probe_at > clock_timestamp() + ${LONGEST_PROBE_WAIT} * interval '1 millisecond')
RETURNING backend`

  const postpone = `
UPDATE ${t.destinations}
SET probe_at = clock_timestamp() + $3::float8 * interval '1 millisecond', error = $4
WHERE backend = $1 AND destination = $2`

  const close = `DELETE FROM ${t.destinations} WHERE backend = $1 AND destination = $2 RETURNING backend`

  const changed = async (text: string, values: readonly (string | number)[]): Promise<boolean> =>
    (await client.query(text, values)).length === 1

  return {
    async list(backend) {
      const rows = await client.query(list, [backend])
      return rows.map((row) => ({
        destination: String(row['destination']),
        probeIn: Number(row['probe_in']),
        since: Number(row['since']),
        error: String(row['error']),
      }))
    },
    open: (backend, destination, probeAfter, error) =>
      changed(open, [backend, destination, probeAfter, error.replaceAll('\0', '')]),
    tryProbe: (backend, destination, again) => changed(tryProbe, [backend, destination, again]),
    async postpone(backend, destination, probeAfter, error) {
      await client.query(postpone, [backend, destination, probeAfter, error.replaceAll('\0', '')])
    },
    close: (backend, destination) => changed(close, [backend, destination]),
  }
}
