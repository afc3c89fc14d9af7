import type { Connection } from './connection.ts'
import { raiseAttention } from './coordination.ts'
import type { Tables } from './tables.ts'
import { nowPlus } from './values.ts'

/**
 * Deletes old settled rows. No index holds them by time, since each insert and settle would pay for it: the scan goes
 * from the oldest row and stops at the first that was created too late to be old enough, or at the limit. It skips the
 * few that are kept; what was purged before is not there any more.
 */
export function purge(t: Tables) {
  // Plain question marks: Node 22 cannot bind numbered ones.
  const scanSql = `
    SELECT CAST(seq AS TEXT) AS place,
      created_at > ${nowPlus('-min(?, ?)')} AS young,
      (status = 'published' AND published_at <= ${nowPlus('-?')})
        OR (status IN ('failed', 'cancelled') AND updated_at <= ${nowPlus('-?')}) AS old
    FROM ${t.events} ORDER BY seq`
  const deleteSql = `
    DELETE FROM ${t.events} WHERE seq IN (SELECT value FROM json_each(?))
    RETURNING publisher_backend, lane, status = 'failed' AND available_at IS NOT NULL AS blocked`
  const raise = raiseAttention(t)
  /** Ten thousand years: longer than anything was kept, and more than strftime takes, so nothing is older. */
  const forever = 315_576_000_000
  return (
    db: Connection,
    options: { readonly publishedFor: number | null; readonly failedFor: number | null; readonly limit: number },
  ): number => {
    const seconds = (duration: number | null): number => (duration === null ? forever : duration / 1000)
    const old: string[] = []
    if (options.limit > 0 && (options.publishedFor !== null || options.failedFor !== null)) {
      const [published, failed] = [seconds(options.publishedFor), seconds(options.failedFor)]
      for (const row of db.iterate(scanSql, published, failed, published, failed)) {
        if (row['young'] === 1) break
        if (row['old'] === 1 && old.push(String(row['place'])) >= options.limit) break
      }
    }
    if (old.length === 0) return 0
    const deleted = db.all(deleteSql, `[${old.join(',')}]`)
    // What waits behind a failed event that is gone is released by the lane's owner.
    raise(
      db,
      deleted.filter((row) => row['blocked'] === 1),
    )
    return deleted.length
  }
}
