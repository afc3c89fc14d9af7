import { laneOfRow } from '../coordination-rows.ts'
import {
  type CoordinationStore,
  type LaneRow,
  LONGEST_HOLD,
  LONGEST_LEASE,
  type Survey,
} from '../coordination-store.ts'
import { breakers, destinations } from './breakers.ts'
import type { Client, Queries, RawRow } from './client.ts'
import { duties } from './duties.ts'
import type { Tables } from './tables.ts'
import { rates } from './take-permits.ts'

/** Workers, their leases and the lanes that they own, and the breakers. */
export function coordination(client: Client, t: Tables): CoordinationStore {
  return {
    /**
     * Adds a worker, and the lanes of its backends where they are not there yet. A transient one is listed with no backends.
     */
    async enter({ name, backends, lease, transient = false, version }) {
      const text = `
WITH lanes AS (
      INSERT INTO ${t.lanes} (backend, lane)
      SELECT b.backend, l.lane
      FROM unnest($2::text[]) AS b(backend)
      CROSS JOIN generate_series(0, (SELECT lanes FROM ${t.settings}) - 1) AS l(lane)
      ORDER BY 1, 2
      ON CONFLICT DO NOTHING
)
INSERT INTO ${t.workers} (name, backends, lease_until, version)
VALUES ($1, CASE WHEN $4::boolean THEN '{}' ELSE $2::text[] END, clock_timestamp() + $3::float8 * interval '1 millisecond', $5)
RETURNING id`
      const [row] = await client.query(text, [name, backends, lease, transient, version ?? null])
      return row?.['id'] ?? ''
    },
    /**
     * Extends a lease that has not ended. `clock_timestamp` and not the statement's time: should the statement have waited
     * for a row lock, the lease may have ended meanwhile.
     */
    async renew(workerId, lease) {
      const text = `
UPDATE ${t.workers}
SET lease_until = clock_timestamp() + $2::float8 * interval '1 millisecond'
WHERE id = $1::uuid AND lease_until > clock_timestamp()
RETURNING id`
      return (await client.query(text, [workerId, lease])).length === 1
    },
    ...survey(client, t),
    /**
     * Takes lanes whose fence is still the one seen: compare and set. The rows are locked in one order, so that two
     * workers that claim the same lanes do not wait for each other in a circle; the second then sees the new fence and
     * leaves the lane. A worker whose own lease has ended gets nothing.
     */
    async claim(workerId, lanes) {
      const text = `
WITH seen AS (
      SELECT l.backend, l.lane, l.fence
      FROM ${t.lanes} AS l
      JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS s(backend, lane, fence)
    ON l.backend = s.backend AND l.lane = s.lane
      WHERE l.fence = s.fence
    AND EXISTS (SELECT FROM ${t.workers} AS w WHERE w.id = $1::uuid AND w.lease_until > clock_timestamp())
      ORDER BY l.backend, l.lane
      FOR UPDATE OF l
)
UPDATE ${t.lanes} AS l
SET owner = $1::uuid, fence = l.fence + 1
FROM seen
WHERE l.backend = seen.backend AND l.lane = seen.lane AND l.fence = seen.fence
RETURNING ${LANE}`
      if (lanes.length === 0) return []
      return (await client.query(text, [workerId, ...listsOf(lanes)])).map(laneOf)
    },
    /**
     * Answers holds on lanes that are still ours, under a new fence; ends a hold whose time is over. It waits for an operator
     * who is just moving events there, so a lane that it returns without a hold shows what that one did.
     */
    async quiet(workerId, lanes) {
      const text = `
WITH ours AS (
      SELECT l.backend, l.lane, l.fence, s.hold
      FROM ${t.lanes} AS l
      JOIN unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS s(backend, lane, fence, hold)
    ON l.backend = s.backend AND l.lane = s.lane
      WHERE l.owner = $1::uuid AND l.fence = s.fence
      ORDER BY l.backend, l.lane
      FOR UPDATE OF l
)
UPDATE ${t.lanes} AS l
SET quiet_for = CASE WHEN ours.hold > abs(l.quiet_for) THEN ours.hold ELSE l.quiet_for END, fence = l.fence + 1,
      hold_until = CASE WHEN l.hold_until > clock_timestamp()
    AND l.hold_until <= clock_timestamp() + ${LONGEST_HOLD} * interval '1 millisecond' THEN l.hold_until END
FROM ours
WHERE l.backend = ours.backend AND l.lane = ours.lane AND l.owner = $1::uuid AND l.fence = ours.fence
RETURNING ${LANE}`
      if (lanes.length === 0) return []
      const holds = lanes.map(({ hold }) => hold)
      return (await client.query(text, [workerId, ...listsOf(lanes), holds])).map(laneOf)
    },
    /** Gives lanes back, where the fence is still ours, and tells the others. */
    async release(workerId, lanes) {
      const text = `
WITH ours AS (
      SELECT l.backend, l.lane, l.fence
      FROM ${t.lanes} AS l
      JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS s(backend, lane, fence)
    ON l.backend = s.backend AND l.lane = s.lane
      WHERE l.owner = $1::uuid AND l.fence = s.fence
      ORDER BY l.backend, l.lane
      FOR UPDATE OF l
), released AS (
      UPDATE ${t.lanes} AS l
      SET owner = NULL
      FROM ours
      WHERE l.backend = ours.backend AND l.lane = ours.lane AND l.owner = $1::uuid AND l.fence = ours.fence
      RETURNING l.lane
)
SELECT pg_notify('broadcaster_' || $5::regclass::oid, 'lanes') WHERE EXISTS (SELECT FROM released)`
      if (lanes.length === 0) return
      await client.query(text, [workerId, ...listsOf(lanes), t.events])
    },
    /** Gives all lanes of a worker back, removes it and tells the others: a clean end. */
    async leave(workerId) {
      const text = `
WITH ours AS (
      SELECT l.backend, l.lane
      FROM ${t.lanes} AS l
      WHERE l.owner = $1::uuid
      ORDER BY l.backend, l.lane
      FOR UPDATE OF l
), released AS (
      UPDATE ${t.lanes} AS l
      SET owner = NULL
      FROM ours
      WHERE l.backend = ours.backend AND l.lane = ours.lane AND l.owner = $1::uuid
      RETURNING l.lane
), gone AS (
      DELETE FROM ${t.workers} WHERE id = $1::uuid RETURNING id
)
SELECT pg_notify('broadcaster_' || $2::regclass::oid, 'lanes')
WHERE EXISTS (SELECT FROM released) OR EXISTS (SELECT FROM gone)`
      await client.query(text, [workerId, t.events])
    },
    breakers: breakers(client, t),
    destinations: destinations(client, t),
    rates: rates(client, t),
    duties: duties(client, t),
  }
}

/** For how long a lane `l` is still held, in ms. */
const HOLD_LEFT = `CASE WHEN l.hold_until <= clock_timestamp() + ${LONGEST_HOLD} * interval '1 millisecond'
    THEN date_part('epoch', l.hold_until - clock_timestamp()) * 1000 WHEN l.hold_until IS NOT NULL THEN 0 END`

/** The columns of a lane `l`. */
const LANE = `l.backend, l.lane, l.owner, l.fence, l.attention, l.hold, l.quiet_for,
  ${HOLD_LEFT} AS hold_left`

/** Reads them. */
function laneOf(row: RawRow): LaneRow {
  const left = row['hold_left']
  return laneOfRow(row, left == null ? null : Number(left))
}

/** Lanes as lists: of backends, of numbers, of fences. */
function listsOf(lanes: readonly LaneRow[]) {
  return [lanes.map(({ backend }) => backend), lanes.map(({ lane }) => lane), lanes.map(({ fence }) => fence)] as const
}

/**
 * Removes workers whose lease has ended, then reads workers, lanes and breakers.
 *
 * One statement, one snapshot: read one after the other, a worker that enters and takes a lane in between would look
 * like a dead owner, and its lane would be stolen. The lanes of a removed worker keep its id: they ended uncleanly.
 *
 * Who has ended is what the DELETE says, and not the time in the snapshot: a renewal that commits after the snapshot has
 * made the DELETE wait and then spare the row, and its worker owns its lanes. It is listed with what was left before
 * (nothing), which is late: what it owns stays its own, and the next survey sees the new lease.
 */
export function survey(client: Queries, t: Tables): Pick<CoordinationStore, 'survey' | 'look'> {
  const textOf = (ended: string, more = ''): string => `
WITH ended AS (${ended})${more}
SELECT json_build_object(
  'workers', (
    SELECT coalesce(json_agg(json_build_object('id', w.id, 'name', w.name, 'backends', w.backends, 'version', w.version,
      'leaseLeft', least(date_part('epoch', w.lease_until - clock_timestamp()) * 1000, ${LONGEST_LEASE})) ORDER BY w.id), '[]')
    FROM ${t.workers} AS w WHERE w.id NOT IN (SELECT e.id FROM ended AS e)),
  'lanes', (
    SELECT coalesce(json_agg(json_build_object('backend', l.backend, 'lane', l.lane, 'owner', l.owner,
      'fence', l.fence, 'attention', l.attention, 'hold', l.hold, 'quietFor', l.quiet_for,
      'holdLeft', ${HOLD_LEFT}) ORDER BY l.backend, l.lane), '[]')
    FROM ${t.lanes} AS l WHERE l.backend = ANY ($1::text[])),
  'breakers', (
    SELECT coalesce(json_agg(json_build_object('backend', b.backend, 'open', b.open,
      'probeIn', date_part('epoch', b.probe_at - clock_timestamp()) * 1000,
      'since', greatest(date_part('epoch', clock_timestamp() - b.since) * 1000, 0),
      'error', b.error, 'paused', CASE WHEN b.paused_at IS NOT NULL THEN json_build_object(
        'by', b.paused_by, 'reason', b.pause_reason,
        'since', greatest(date_part('epoch', clock_timestamp() - b.paused_at) * 1000, 0)) END) ORDER BY b.backend), '[]')
    FROM ${t.breakers} AS b WHERE b.backend = ANY ($1::text[]))
)::text AS survey`

  const over = 'lease_until <= clock_timestamp()'
  const longest = `clock_timestamp() + ${LONGEST_LEASE} * interval '1 millisecond'`
  // What somebody has locked is being renewed, or cut by another survey: nobody waits in a circle.
  const removing = textOf(
    `DELETE FROM ${t.workers} WHERE ${over} RETURNING id`,
    `, ahead AS MATERIALIZED (
  SELECT id FROM ${t.workers} WHERE lease_until > ${longest} FOR UPDATE SKIP LOCKED
), cut AS (
  UPDATE ${t.workers} AS w SET lease_until = ${longest} FROM ahead WHERE w.id = ahead.id
)`,
  )
  const looking = textOf(`SELECT id FROM ${t.workers} WHERE ${over}`)
  const read = async (text: string, backends: readonly string[]): Promise<Survey> => {
    const [row] = await client.query(text, [backends])
    return JSON.parse(row?.['survey'] ?? '') as Survey
  }
  return { survey: (backends) => read(removing, backends), look: (backends) => read(looking, backends) }
}

/**
 * For statements by operators, after a part `changed` of rows (publisher_backend, lane): raises the attention of the
 * lanes concerned and notifies the relays, in the same commit. `$2` is the events table. A row without a backend's
 * name is answered by the default one, which the store does not know: then that lane of every backend is told.
 * Use `told` in the statement, or nothing is notified: it has one row.
 */
export function raiseAttention(t: Tables): string {
  return `attended AS (
  UPDATE ${t.lanes} AS l
  SET attention = l.attention + 1
  FROM (SELECT DISTINCT publisher_backend, lane FROM changed) AS c
  WHERE l.lane = c.lane AND (l.backend = c.publisher_backend OR c.publisher_backend = '')
), told AS (
  SELECT CASE WHEN EXISTS (SELECT FROM changed) THEN pg_notify('broadcaster_' || $2::regclass::oid, 'lanes') END AS told
)`
}
