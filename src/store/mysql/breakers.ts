import { type BreakerStore, LONGEST_BREAKER_WAIT } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { NOW, nowPlus } from './literals.ts'
import { type Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** The breaker of each backend. Each call is one conditional write of one row: of two callers one succeeds. */
export function breakers(client: Client, t: Tables): BreakerStore {
  const changed = async (statement: Sql): Promise<boolean> => (await client.run(statement)) === 1

  return {
    /** First as if it were there: an insert that meets a row counts differently from client to client. */
    async open(backend, probeAfter, error) {
      await client.run(sql`
INSERT INTO ${t.breakers} (backend, open, probe_at, since, error) VALUES (${backend}, 0, ${NOW}, ${NOW}, '')
ON DUPLICATE KEY UPDATE backend = VALUES(backend)`)
      return changed(sql`
UPDATE ${t.breakers} SET open = 1, probe_at = ${nowPlus(probeAfter)}, since = ${NOW}, error = ${error}
WHERE backend = ${backend} AND open = 0`)
    },
    tryProbe: (backend, again) =>
      changed(sql`
UPDATE ${t.breakers} SET probe_at = ${nowPlus(again)} WHERE backend = ${backend} AND open = 1
  AND (probe_at <= ${NOW} OR probe_at > ${nowPlus(LONGEST_BREAKER_WAIT)})`),
    async postpone(backend, probeAfter, error) {
      await client.run(sql`
UPDATE ${t.breakers} SET probe_at = ${nowPlus(probeAfter)}, error = ${error} WHERE backend = ${backend} AND open = 1`)
    },
    close: (backend) =>
      changed(sql`UPDATE ${t.breakers} SET open = 0, since = ${NOW} WHERE backend = ${backend} AND open = 1`),
  }
}
