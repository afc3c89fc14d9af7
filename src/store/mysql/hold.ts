import type { AdminStore, Hold } from '../admin-store.ts'
import type { Client, Runs } from './client.ts'
import { areLanes } from './lane-filter.ts'
import { NOW, nowPlus, UNSETTLED } from './literals.ts'
import { lanesOf, lockLanes, type Place, placesOf } from './raise-attention.ts'
import { join, sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { isUuid, toSqlId } from './uuid.ts'

/** Asks the owners of the lanes in which these events wait to take their hands off them. */
export function hold(client: Client, t: Tables): AdminStore['hold'] {
  return (ids, duration) =>
    runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        const places = await placesOf(tx, t, ids.filter(isUuid).map(toSqlId), sql`status IN ${UNSETTLED}`)
        const lanes = await lanesOf(tx, t, places)
        if (lanes.length === 0) return []
        await lockLanes(tx, t, places)
        await tx.run(sql`
UPDATE ${t.lanes} SET hold = hold + 1,
  hold_until = GREATEST(COALESCE(hold_until, ${NOW}), ${nowPlus(duration)})
WHERE ${areLanes(lanes)}`)
        const rows = await tx.query(sql`SELECT backend, lane, hold FROM ${t.lanes} WHERE ${areLanes(lanes)}`)
        return rows.map((row) => ({
          backend: String(row['backend']),
          lane: Number(row['lane']),
          number: Number(row['hold']),
        }))
      }),
    )
}

/** Ends holds that nobody has renewed since. */
export async function lift(runs: Pick<Runs, 'run'>, t: Tables, holds: readonly Hold[]): Promise<void> {
  if (holds.length === 0) return
  const these = holds.map(
    ({ backend, lane, number }) => sql`(backend = ${backend} AND lane = ${lane} AND hold = ${number})`,
  )
  await runs.run(sql`
UPDATE ${t.lanes} SET hold_until = NULL WHERE ${areLanes(holds)} AND (${join(these, ' OR ')}) ORDER BY backend, lane`)
}

/** The lanes of these places and holds whose live owner may be sending: it has not answered any of these holds, or broke it. */
export async function busyLanes(
  tx: Runs,
  t: Tables,
  places: readonly Place[],
  holds: readonly Hold[],
): Promise<readonly Omit<Hold, 'number'>[]> {
  const lanes = [...(await lanesOf(tx, t, places)), ...holds]
  if (lanes.length === 0) return []
  const rows = await tx.query(sql`
SELECT l.backend, l.lane, l.hold_until IS NOT NULL AS held, l.quiet_for FROM ${t.lanes} AS l
WHERE ${areLanes(lanes)} AND EXISTS (SELECT 1 FROM ${t.workers} AS w WHERE w.id = l.owner AND w.lease_until > ${NOW})`)
  return rows
    .map((row) => ({ backend: String(row['backend']), lane: Number(row['lane']), row }))
    .filter(({ backend, lane, row }) => {
      const ours = holds.find((each) => each.backend === backend && each.lane === lane)
      return !(ours && Number(row['held']) === 1 && Number(row['quiet_for']) >= ours.number)
    })
    .map(({ backend, lane }) => ({ backend, lane }))
}
