import type { CoordinationStore, Survey } from '../coordination-store.ts'
import type { Client, RawRow } from './client.ts'
import { laneOf } from './lane.ts'
import { NOW } from './literals.ts'
import { sql } from './sql.ts'
import type { Tables } from './tables.ts'

/**
 * Removes workers whose lease has ended, then reads workers, lanes and breakers.
 *
 * One statement, one snapshot: read one after the other, a worker that enters and takes a lane in between would look
 * like a dead owner, and its lane would be stolen. The lanes of a removed worker keep its id: they ended uncleanly.
 * Most surveys find no worker to remove, and write nothing.
 */
export function survey(client: Client, t: Tables): Pick<CoordinationStore, 'survey' | 'look'> {
  const read = (backends: readonly string[]) => {
    // An empty IN () is no SQL; no backend has this name.
    const names = backends.length > 0 ? backends : [null]
    return client.query(sql`
SELECT 'worker' AS kind, id AS name, name AS label, backends AS text, lease_until <= ${NOW} AS number,
  TIMESTAMPDIFF(MICROSECOND, ${NOW}, lease_until) AS fence, NULL AS attention,
  NULL AS hold, NULL AS quiet_for, NULL AS hold_left
FROM ${t.workers}
UNION ALL
SELECT 'lane', backend, owner, NULL, lane, fence, attention,
  hold, quiet_for, TIMESTAMPDIFF(MICROSECOND, ${NOW}, hold_until)
FROM ${t.lanes} WHERE backend IN (${names})
UNION ALL
SELECT 'breaker', backend, NULL, error, open,
  TIMESTAMPDIFF(MICROSECOND, ${NOW}, probe_at), TIMESTAMPDIFF(MICROSECOND, since, ${NOW}), NULL, NULL, NULL
FROM ${t.breakers} WHERE backend IN (${names})`)
  }

  return {
    async survey(backends) {
      const rows = await read(backends)
      const ended = rows.filter((row) => row['kind'] === 'worker' && Number(row['number']) === 1)
      if (ended.length === 0) return surveyOf(rows)
      await client.run(sql`
DELETE FROM ${t.workers} WHERE id IN (${ended.map((row) => String(row['name']))}) AND lease_until <= ${NOW}`)
      return surveyOf(await read(backends))
    },
    look: async (backends) => surveyOf(await read(backends)),
  }
}

function surveyOf(rows: readonly RawRow[]): Survey {
  const of = (kind: string): readonly RawRow[] => rows.filter((row) => row['kind'] === kind)
  return {
    workers: of('worker')
      .filter((row) => Number(row['number']) === 0)
      .map((row) => ({
        id: String(row['name']),
        name: String(row['label']),
        backends: JSON.parse(String(row['text'])) as readonly string[],
        leaseLeft: Number(row['fence']) / 1_000,
      })),
    lanes: of('lane').map((row) => laneOf({ ...row, backend: row['name'], lane: row['number'], owner: row['label'] })),
    breakers: of('breaker').map((row) => ({
      backend: String(row['name']),
      open: Number(row['number']) === 1,
      probeIn: Number(row['fence']) / 1_000,
      since: Number(row['attention']) / 1_000,
      error: String(row['text']),
    })),
  }
}
