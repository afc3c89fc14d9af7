import { RATES_PER_CLEANING, type RateStore } from '../coordination-store.ts'
import { type PermitRequest, type Permits, takePermits } from '../permits.ts'
import type { Runs } from './client.ts'
import { Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** How often a worker that others overtook looks again at once. */
const TRIES = 5
/** How long it waits after that, in ms, less up to half of it. */
const OVERTAKEN = 20
const HOUR = 3_600_000

/** What all workers took of a rate. No UPDATE of MySQL returns what it did: it is compare and set. A row is made at the first call. */
export function rates(client: Runs, t: Tables): RateStore {
  let made = 0

  /** Undefined = another worker was first, or there was no row. */
  const tryOnce = async (of: Sql, request: PermitRequest): Promise<Permits | 'overtaken' | 'missing'> => {
    const [row] = await client.query(sql`
SELECT CAST(spent_until AS CHAR) AS seen, CAST(${NOW} AS CHAR) AS now, TIMESTAMPDIFF(MICROSECOND, ${NOW}, spent_until) AS number
FROM ${t.rates} WHERE ${of}`)
    if (row === undefined) return 'missing'
    const { taken, wait, spent } = takePermits(Number(row['number']) / 1_000, request)
    if (spent === null) return { taken, wait }
    const changed = await client.run(sql`
UPDATE ${t.rates}
SET spent_until = CAST(${String(row['now'])} AS DATETIME(6)) + INTERVAL ${new Sql(String(Math.round(spent * 1_000)))} MICROSECOND
WHERE ${of} AND spent_until = CAST(${String(row['seen'])} AS DATETIME(6))`)
    return changed === 1 ? { taken, wait } : 'overtaken'
  }

  const make = async (backend: string, destination: string): Promise<void> => {
    if (made++ % RATES_PER_CLEANING === 0) {
      await client.run(sql`DELETE FROM ${t.rates} WHERE backend = ${backend} AND spent_until < ${nowPlus(-HOUR)}`)
    }
    await client.run(sql`
INSERT IGNORE INTO ${t.rates} (backend, destination, spent_until) VALUES (${backend}, ${destination}, ${NOW})`)
  }

  return {
    async take(backend, destination, request) {
      const of = sql`backend = ${backend} AND destination = ${destination}`
      for (let tries = 0; tries < TRIES; tries++) {
        const permits = await tryOnce(of, request)
        if (permits === 'missing') await make(backend, destination)
        else if (permits !== 'overtaken') return permits
      }
      return { taken: 0, wait: OVERTAKEN * (1 - Math.random() / 2) }
    },
  }
}
