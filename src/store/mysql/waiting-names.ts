import type { RelayStore } from '../relay-store.ts'
import type { Client } from './client.ts'
import { isNamed } from './fetch.ts'
import { STAGE } from './literals.ts'
import { sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** Names of settled events that are passed over for each that is found, at most. */
const MOST_LOOKED = 10

/**
 * By a jump along the work index for each name; of each then whether anything is to be done, since the index holds settled
 * rows, too.
 */
export function waitingNames(client: Client, t: Tables): RelayStore['waitingNames'] {
  const firstAfter = (name: string | undefined) => sql`
SELECT MIN(e.publisher_backend) AS backend FROM ${t.events} AS e FORCE INDEX (${t.index.work})
${name === undefined ? sql`` : sql`WHERE e.publisher_backend > ${name}`}`
  const waits = (name: string) => sql`
SELECT 1 AS waits FROM ${t.events} AS e FORCE INDEX (${t.index.work})
WHERE ${isNamed([name])} AND e.stage IN (${[STAGE.hot, STAGE.parked, STAGE.retrying]}) LIMIT 1`

  return async (limit) => {
    const names: string[] = []
    let looked = 0
    for (let name: string | undefined; names.length < limit && looked < MOST_LOOKED * limit; looked++) {
      const [next] = await client.query(firstAfter(name))
      if (next?.['backend'] == null) break
      name = String(next['backend'])
      const [found] = await client.query(waits(name))
      if (found !== undefined) names.push(name)
    }
    return names
  }
}
