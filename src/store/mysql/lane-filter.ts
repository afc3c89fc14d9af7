import type { Lane } from '../coordination-store.ts'
import { join, type Sql, sql } from './sql.ts'

/** Rows of the lanes table by their primary key, as a range for each backend. At least one lane. */
export function areLanes(lanes: readonly Pick<Lane, 'backend' | 'lane'>[]): Sql {
  const numbers = new Map<string, number[]>()
  for (const { backend, lane } of lanes) numbers.set(backend, [...(numbers.get(backend) ?? []), lane])
  const parts = [...numbers].map(([backend, some]) => sql`(backend = ${backend} AND lane IN (${some}))`)
  return sql`(${join(parts, ' OR ')})`
}
