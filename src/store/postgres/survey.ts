import type { BreakerRow, CoordinationStore, Lane, LiveWorker, Survey } from '../coordination-store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

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
export function survey(client: Client, t: Tables): Pick<CoordinationStore, 'survey' | 'look'> {
  const textOf = (ended: string): string => `
WITH ended AS (${ended})
SELECT json_build_object(
  'workers', (
    SELECT coalesce(json_agg(json_build_object('id', w.id, 'name', w.name, 'backends', w.backends,
      'leaseLeft', date_part('epoch', w.lease_until - clock_timestamp()) * 1000) ORDER BY w.id), '[]')
    FROM ${t.workers} AS w WHERE w.id NOT IN (SELECT e.id FROM ended AS e)),
  'lanes', (
    SELECT coalesce(json_agg(json_build_object('backend', l.backend, 'lane', l.lane, 'owner', l.owner,
      'fence', l.fence, 'attention', l.attention, 'hold', l.hold, 'quietFor', l.quiet_for,
      'holdLeft', date_part('epoch', l.hold_until - clock_timestamp()) * 1000) ORDER BY l.backend, l.lane), '[]')
    FROM ${t.lanes} AS l WHERE l.backend = ANY ($1::text[])),
  'breakers', (
    SELECT coalesce(json_agg(json_build_object('backend', b.backend, 'open', b.open,
      'probeIn', date_part('epoch', b.probe_at - clock_timestamp()) * 1000,
      'since', date_part('epoch', clock_timestamp() - b.since) * 1000,
      'error', b.error) ORDER BY b.backend), '[]')
    FROM ${t.breakers} AS b WHERE b.backend = ANY ($1::text[]))
)::text AS survey`

  const over = 'lease_until <= clock_timestamp()'
  const removing = textOf(`DELETE FROM ${t.workers} WHERE ${over} RETURNING id`)
  const looking = textOf(`SELECT id FROM ${t.workers} WHERE ${over}`)
  const read = async (text: string, backends: readonly string[]): Promise<Survey> => {
    const [row] = await client.query(text, [backends])
    const survey = JSON.parse(row?.['survey'] ?? '') as {
      readonly workers: readonly LiveWorker[]
      readonly lanes: readonly Lane[]
      readonly breakers: readonly BreakerRow[]
    }
    return survey satisfies Survey
  }
  return { survey: (backends) => read(removing, backends), look: (backends) => read(looking, backends) }
}
