/** One statement about the outcome, and whether it held. */
export interface Check {
  readonly name: string
  readonly ok: boolean
}

export function check(name: string, ok: boolean): Check {
  return { name, ok }
}

/** The same ids, each once, in any order. */
export function sameIds(expected: readonly string[], seen: readonly string[]): boolean {
  return expected.length === seen.length && new Set([...expected, ...seen]).size === expected.length
}

/** Within every key the ids come in the order of `expected`. */
export function inOrder(seen: readonly (readonly [key: unknown, id: string])[], expected: readonly string[]): boolean {
  const places = new Map(expected.map((id, place) => [id, place]))
  const last = new Map<unknown, number>()
  return seen.every(([key, id]) => {
    const place = places.get(id) ?? -1
    const before = last.get(key) ?? -1
    last.set(key, place)
    return place > before
  })
}
