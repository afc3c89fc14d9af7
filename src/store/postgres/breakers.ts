import { type BreakerStore, LONGEST_BREAKER_WAIT } from '../coordination-store.ts'
import type { Client } from './client.ts'
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

  const changed = async (text: string, values: readonly (string | number)[]): Promise<boolean> =>
    (await client.query(text, values)).length === 1

  return {
    open: (backend, probeAfter, error) => changed(open, [backend, probeAfter, error.replaceAll('\0', '')]),
    tryProbe: (backend, again) => changed(tryProbe, [backend, again]),
    async postpone(backend, probeAfter, error) {
      await client.query(postpone, [backend, probeAfter, error.replaceAll('\0', '')])
    },
    close: (backend) => changed(close, [backend]),
  }
}
