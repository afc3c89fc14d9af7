/** A key, and the lane in which the events of a backend with this key are. */
export interface KeyInLane {
  /** The name of the backend. */
  readonly backend: string
  readonly lane: number
  readonly partitionKey: string
}

/** How many events of a key wait. */
export interface KeyWaits {
  /** How many were counted. */
  readonly count: number
  /** False: there may be more. */
  readonly exact: boolean
}

/** What was counted of one part of a lane: rows of one key, or of all keys that were not asked for. */
export interface RowsOfLane {
  readonly backend: string
  readonly lane: number
  /** Which part of the lane's rows: each is cut by itself. */
  readonly part: string
  /** Null = all others. */
  readonly partitionKey: string | null
  readonly count: number
}

/** The lanes of these keys, each once. */
export function lanesOf(keys: readonly KeyInLane[]): readonly Omit<KeyInLane, 'partitionKey'>[] {
  return [...new Map(keys.map(({ backend, lane }) => [nameOf(lane, backend), { backend, lane }])).values()]
}

/** The counts of keys from what was read: of each part of a lane one row more than `rows` where there are more. */
export function waitsOf(keys: readonly KeyInLane[], read: readonly RowsOfLane[], rows: number): readonly KeyWaits[] {
  const parts = new Map<string, number>()
  const counts = new Map<string, number>()
  const cut = new Set<string>()
  const add = (to: Map<string, number>, name: string, count: number): number => {
    const sum = (to.get(name) ?? 0) + count
    to.set(name, sum)
    return sum
  }
  for (const { backend, lane, part, partitionKey, count } of read) {
    const name = nameOf(lane, backend)
    if (add(parts, nameOf(name, part), count) > rows) cut.add(name)
    if (partitionKey !== null) add(counts, nameOf(name, partitionKey), count)
  }
  return keys.map(({ backend, lane, partitionKey }) => {
    const name = nameOf(lane, backend)
    return { count: counts.get(nameOf(name, partitionKey)) ?? 0, exact: !cut.has(name) }
  })
}

/** One text for several: no two lists have the same. */
function nameOf(...parts: readonly (string | number)[]): string {
  return JSON.stringify(parts)
}
