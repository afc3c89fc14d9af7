/** One delivery as a reader of the broker saw it: the n-th event of its key. */
export interface Delivery {
  readonly key: string
  /** Counts from 1 within the key. */
  readonly count: number
}

export interface Judgement {
  readonly lost: number
  /** Deliveries of an event before an earlier one of its key was delivered at all. */
  readonly disordered: number
  readonly duplicates: number
}

/**
 * Judges deliveries in the order in which they arrived. A repeated delivery is a duplicate; what must hold is that the
 * first delivery of each event comes after the first delivery of every earlier event of its key.
 */
export function judgeDeliveries(deliveries: readonly Delivery[], published: number, keys: number): Judgement {
  const last = new Map<string, number>()
  const seen = new Set<string>()
  let disordered = 0
  for (const { key, count } of deliveries) {
    const id = `${key} ${count}`
    if (seen.has(id)) continue
    seen.add(id)
    const before = last.get(key) ?? 0
    if (count !== before + 1) disordered++
    last.set(key, Math.max(before, count))
  }
  if (last.size > keys) disordered += last.size - keys
  return { lost: published - seen.size, disordered, duplicates: deliveries.length - seen.size }
}
