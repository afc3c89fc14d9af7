/** How much one request may carry. */
export interface BatchLimit {
  readonly events: number
  /** Of the whole body. */
  readonly bytes: number
}

/** Something for a batch: what it adds to the body, in bytes, and whether it must go alone. */
export interface BatchItem {
  readonly bytes: number
  readonly alone: boolean
}

/**
 * Cuts a list into parts that each fit a request, in order. An item that fits none is a part by itself; those that must
 * go alone share parts only with each other. Pure.
 */
export function batchParts<Item extends BatchItem>(
  items: readonly Item[],
  limit: BatchLimit,
): readonly (readonly Item[])[] {
  const parts: Item[][] = []
  let size = 0
  for (const item of items) {
    const part = parts.at(-1)
    // A comma before it, or the brackets around the first.
    const grown = size + item.bytes + 1
    const fits = part !== undefined && (item.alone || (part.length < limit.events && grown <= limit.bytes))
    if (fits && part[0]?.alone === item.alone) {
      part.push(item)
      size = grown
    } else {
      parts.push([item])
      size = item.bytes + 2
    }
  }
  return parts
}
