import { Pause } from '../../../../foundation/pause.ts'
import type { Client } from '../../client.ts'
import { qualify } from '../../partitions/cuts.ts'
import { serverCode } from '../../store-error.ts'
import type { Tables } from '../../tables.ts'

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

/**
 * The same for an events table with partitions: one after the other, and then that of the table itself, which is made of them. It cannot
 * be unique, as it does not hold the id.
 */
export async function buildOnPartitions(client: Client, t: Tables, name: string, sql: string): Promise<void> {
  const on = sql.slice(sql.indexOf(' USING '))
  const leaves = await client.query(
    `SELECT c.relname AS name FROM pg_partition_tree(to_regclass($1)) AS p JOIN pg_class AS c ON c.oid = p.relid WHERE p.isleaf`,
    [t.events],
  )
  const suffix = name.slice(t.index('').length - 2)
  for (const { name: leaf } of leaves) {
    const own = `${leaf}_${suffix}`
    await buildIndex(client, qualify(t, own), `CREATE INDEX CONCURRENTLY "${own}" ON ${qualify(t, leaf ?? '')}${on}`)
  }
  await client.query(`DROP INDEX IF EXISTS ${qualify(t, name)}`)
  await client.query(`CREATE INDEX "${name}" ON ${t.events}${on}`)
}

/** The SQLSTATE of a name that is taken. */
function isDuplicate(error: unknown): boolean {
  const state = serverCode(error)
  return state === '42P07' || state === '23505'
}
