import { Pause } from '../../../../foundation/pause.ts'
import type { Client } from '../../client.ts'
import { serverCode } from '../../store-error.ts'

/**
 * Builds an index beside all traffic; `sql` says CONCURRENTLY. A build that died leaves an invalid index, which would be
 * kept up to date and never used: it is dropped and made again, unless somebody is building it at this moment.
 */
export async function buildIndex(client: Client, name: string, sql: string): Promise<void> {
  const pause = new Pause()
  for (let builds = 0; ; ) {
    const [found] = await client.query(
      `SELECT i.indisvalid AS valid, EXISTS (
  SELECT FROM pg_locks AS l
  WHERE l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted) AS building
FROM pg_index AS i WHERE i.indexrelid = to_regclass($1)`,
      [name],
    )
    if (found?.['valid'] === 't') return
    if (found === undefined) {
      builds++
      await client.query(sql).catch((error: unknown) => {
        // Another process was faster, or the build lost a deadlock and left an invalid index: look again.
        if (!isDuplicate(error) || builds > 5) throw error
      })
    } else if (found['building'] === 't') {
      await pause.sleep(200)
    } else {
      await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`)
    }
  }
}

/** The SQLSTATE of a name that is taken. */
function isDuplicate(error: unknown): boolean {
  const state = serverCode(error)
  return state === '42P07' || state === '23505'
}
