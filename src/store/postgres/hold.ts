import type { AdminStore, Hold } from '../admin-store.ts'
import type { Client, ClientTransaction } from './client.ts'
import { UNSETTLED } from './literals.ts'
import type { Tables } from './tables.ts'
import { isUuid } from './uuid.ts'

/** The lanes `l` of events `$1`: an event without a backend's name may be sent from that lane of any. */
function lanesOfEvents(t: Tables, which = ''): string {
  return `${t.lanes} AS l JOIN (
    SELECT e.publisher_backend AS backend, e.lane FROM ${t.events} AS e WHERE e.id = ANY ($1::uuid[])${which}
  ) AS c ON l.lane = c.lane AND (l.backend = c.backend OR c.backend = '')`
}

/** The same, and the lanes of holds `$2` to `$4`, of which `h.number` is the number. */
export function lanesOfMove(t: Tables): string {
  return `${t.lanes} AS l JOIN (
    SELECT e.publisher_backend AS backend, e.lane FROM ${t.events} AS e WHERE e.id = ANY ($1::uuid[])
    UNION SELECT backend, lane FROM unnest($2::text[], $3::int[]) AS held(backend, lane)
  ) AS c ON l.lane = c.lane AND (l.backend = c.backend OR c.backend = '')
  LEFT JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS h(backend, lane, number)
    ON h.backend = l.backend AND h.lane = l.lane`
}

/** Asks the owners of the lanes in which these events wait to take their hands off them. `$2` is the events table. */
export function hold(client: Client, t: Tables): AdminStore['hold'] {
  const text = `
WITH these AS (
  SELECT l.backend, l.lane FROM ${lanesOfEvents(t, ` AND e.status IN ${UNSETTLED}`)}
  ORDER BY l.backend, l.lane
  FOR UPDATE OF l
), held AS (
  UPDATE ${t.lanes} AS l
  SET hold = l.hold + 1,
    hold_until = greatest(l.hold_until, clock_timestamp() + $3::float8 * interval '1 millisecond')
  FROM (SELECT DISTINCT backend, lane FROM these) AS s
  WHERE l.backend = s.backend AND l.lane = s.lane
  RETURNING l.backend, l.lane, l.hold
)
SELECT backend, lane, hold, pg_notify('broadcaster_' || $2::regclass::oid, '')::text AS told FROM held`

  return async (ids, duration) => {
    const rows = await client.query(text, [ids.filter(isUuid), t.events, duration])
    return rows.map((row) => ({
      backend: row['backend'] ?? '',
      lane: Number(row['lane']),
      number: Number(row['hold']),
    }))
  }
}

/** Ends holds that nobody has renewed since. */
export function lift(t: Tables) {
  const text = `
WITH lifted AS (
  UPDATE ${t.lanes} AS l
  SET hold_until = NULL
  FROM unnest($2::text[], $3::int[], $4::bigint[]) AS h(backend, lane, number)
  WHERE l.backend = h.backend AND l.lane = h.lane AND l.hold = h.number
    AND l.hold_until IS NOT NULL
  RETURNING l.lane
)
SELECT pg_notify('broadcaster_' || $1::regclass::oid, '')::text AS told WHERE EXISTS (SELECT FROM lifted)`
  return async (on: Pick<ClientTransaction, 'query'>, holds: readonly Hold[]): Promise<void> => {
    if (holds.length > 0) await on.query(text, [t.events, ...columnsOf(holds)])
  }
}

/** Holds as three lists. */
export function columnsOf(holds: readonly Hold[]) {
  return [
    holds.map(({ backend }) => backend),
    holds.map(({ lane }) => lane),
    holds.map(({ number }) => number),
  ] as const
}
