import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'

/** By a jump along the index for each name: of what is due, and of what is parked. */
export function waitingNames(t: Tables) {
  const next = (index: string, available: string, compare: string) => `
    SELECT publisher_backend AS backend FROM ${t.events} INDEXED BY ${index}
    WHERE available_at ${available} AND status IN ('pending', 'retry', 'processing') AND publisher_backend ${compare} ?
    ORDER BY publisher_backend LIMIT 1`
  const walks = [
    [t.index.hot, 'IS NULL'],
    [t.index.parked, 'IS NOT NULL'],
  ] as const
  const texts = walks.map(([index, available]) => ({
    first: next(index, available, '>='),
    later: next(index, available, '>'),
  }))

  return (db: Connection, limit: number): readonly string[] => {
    const names = new Set<string>()
    for (const { first, later } of texts) {
      let row = db.get(first, '')
      for (let looked = 0; row !== undefined && looked < limit; looked++) {
        const name = String(row['backend'])
        names.add(name)
        row = db.get(later, name)
      }
    }
    return [...names].slice(0, limit)
  }
}
