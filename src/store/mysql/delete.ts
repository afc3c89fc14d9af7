import type { Runs } from './client.ts'
import { sql } from './sql.ts'
import type { Tables } from './tables.ts'

/**
 * Deletes rows by id, as they are stored; in the form of several tables, which alone can name the index. Every row has
 * a `seq`: without a column that the index has not, MySQL with the statistics of a small table reads all of it instead.
 */
export function deleteById(tx: Runs, t: Tables, ids: readonly string[]): Promise<number> {
  return tx.run(sql`DELETE e FROM ${t.events} AS e FORCE INDEX (PRIMARY) WHERE e.id IN (${ids}) AND e.seq > 0`)
}
