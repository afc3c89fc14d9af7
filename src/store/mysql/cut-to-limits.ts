import type { FetchedRow, LaneCursor } from '../relay-store.ts'

/** Rows of one scan over several lanes, in `seq` order, no more of each lane than its limit. */
export function cutToLimits(rows: readonly FetchedRow[], lanes: readonly LaneCursor[]): readonly FetchedRow[] {
  const left = new Map(lanes.map(({ lane, limit }) => [lane, limit]))
  return rows
    .toSorted((a, b) => a.seq - b.seq)
    .filter(({ lane }) => {
      const more = left.get(lane) ?? 0
      left.set(lane, more - 1)
      return more > 0
    })
}

/** Whether a lane may have more than was asked for. */
export function meetsLimit(rows: readonly FetchedRow[], lanes: readonly LaneCursor[]): boolean {
  const left = new Map(lanes.map(({ lane, limit }) => [lane, limit]))
  for (const { lane } of rows) left.set(lane, (left.get(lane) ?? 0) - 1)
  return [...left.values()].some((more) => more <= 0)
}
