import { integer } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import type { AdminStore } from '../store/admin-store.ts'
import type { BlockedHead, TroubledPlace } from '../store/blocked-heads.ts'

export const LIST_BLOCKED_KEYS = {
  /** At most so many, 1 to 1,000. Default 50. */
  limit: integer(50, { min: 1, max: 1_000 }),
}

/** Where a page of blocked keys begins. */
export interface BlockedKeyPlace extends TroubledPlace {
  /** The name of the backend. */
  readonly backend: string
}

/** Which blocked keys are listed. */
export interface ListBlockedKeysOptions extends OptionsOf<typeof LIST_BLOCKED_KEYS> {
  /** Only keys of these backends. Default: all. */
  readonly backends?: readonly string[] | undefined
  /** Only those behind this place: `next` of the page before. Default: from the first. */
  readonly after?: BlockedKeyPlace | undefined
}

/** A page of the keys that failed events block, by backend, lane and `seq`. */
export interface BlockedKeysPage {
  /** Each with the first event on this page that blocks it. A key with several such events may be on a later page again. */
  readonly keys: readonly BlockedHead[]
  /** Where the next page begins (`after`); null = there are no more. A page may have none and still be followed by others. */
  readonly next: BlockedKeyPlace | null
}

/** Troubled events that are read by one statement, and statements for one page: what blocks nothing is read, too. */
const ROWS = 10_000
const STATEMENTS = 10

/** Goes through these backends by name. */
export async function blockedKeysOf(
  store: Pick<AdminStore, 'blockedHeads'>,
  backends: readonly string[],
  { after, backends: _, ...options }: ListBlockedKeysOptions,
): Promise<BlockedKeysPage> {
  const { limit } = readOptions('blockedKeys()', LIST_BLOCKED_KEYS, options)
  const keys = new Map<string, BlockedHead>()
  const names = backends.filter((name) => after === undefined || name >= after.backend).toSorted()
  let left = STATEMENTS
  for (const backend of names) {
    let from: TroubledPlace | null = after?.backend === backend ? { lane: after.lane, seq: after.seq } : null
    do {
      if (left-- === 0 || keys.size === limit)
        return { keys: [...keys.values()], next: { backend, ...(from ?? FIRST) } }
      const page = await store.blockedHeads({ backend, after: from, limit: limit - keys.size, rows: ROWS })
      for (const head of page.heads) {
        const name = JSON.stringify([backend, head.partitionKey])
        if (!keys.has(name)) keys.set(name, head)
      }
      from = page.next
    } while (from !== null)
  }
  return { keys: [...keys.values()], next: null }
}

/** Before all rows of a backend. */
const FIRST: TroubledPlace = { lane: -1, seq: 0 }
