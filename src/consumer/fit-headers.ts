/** Headers of a dead letter, and which of the message's own had to go. */
export interface FittedHeaders<Value> {
  readonly kept: readonly (readonly [string, Value])[]
  /** Names of those left out, the largest first. */
  readonly leftOut: readonly string[]
}

/**
 * The headers of a message that fit in `room` bytes beside ours. The largest are left out first, since one that is too
 * large is the likeliest reason why they do not fit. Order is kept. `sizeOf` = bytes of one header as the broker counts
 * them.
 */
export function fitHeaders<Value>(
  headers: readonly (readonly [string, Value])[],
  room: number,
  sizeOf: (name: string, value: Value) => number,
): FittedHeaders<Value> {
  const sized = headers.map((header) => ({ header, size: sizeOf(...header) }))
  let total = sized.reduce((sum, { size }) => sum + size, 0)
  const out = new Set<(typeof sized)[number]>()
  for (const each of sized.toSorted((one, other) => other.size - one.size)) {
    if (total <= room) break
    total -= each.size
    out.add(each)
  }
  return {
    kept: sized.filter((each) => !out.has(each)).map(({ header }) => header),
    leftOut: Array.from(out, ({ header: [name] }) => name),
  }
}

/** The header that says which of the message's own were left out of its dead letter. */
export const LEFT_OUT = 'broadcaster-left-out'

/** Its text: at most `most` characters, so that it cannot itself be too large. */
export function leftOutText(names: readonly string[], most = 1_000): string {
  const text = names.join(', ')
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}
