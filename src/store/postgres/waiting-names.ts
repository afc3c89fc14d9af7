import type { RelayStore } from '../relay-store.ts'
import type { Client } from './client.ts'
import { UNSETTLED } from './literals.ts'
import type { Tables } from './tables.ts'

/**
 * PostgreSQL has no jump along an index of its own, so the query makes it: the least name, then the least above that one,
 * in the index of what is due and in that of what is parked.
 */
export function waitingNames(client: Client, t: Tables): RelayStore['waitingNames'] {
  const jump = (name: string, available: 'IS NULL' | 'IS NOT NULL') => {
    const least = (after: string) => `(SELECT e.publisher_backend FROM ${t.events} AS e
    WHERE e.available_at ${available} AND e.status IN ${UNSETTLED} ${after}
    ORDER BY e.publisher_backend LIMIT 1)`
    return `${name} AS (
  SELECT ${least('')} AS backend
  UNION ALL
  SELECT ${least('AND e.publisher_backend > n.backend')} FROM ${name} AS n WHERE n.backend IS NOT NULL
)`
  }
  const text = `
WITH RECURSIVE ${jump('hot', 'IS NULL')}, ${jump('parked', 'IS NOT NULL')}
(SELECT backend FROM hot WHERE backend IS NOT NULL LIMIT $1::int)
UNION
(SELECT backend FROM parked WHERE backend IS NOT NULL LIMIT $1::int)
LIMIT $1::int`
  return async (limit) => (await client.query(text, [limit])).map((row) => row['backend'] ?? '')
}
