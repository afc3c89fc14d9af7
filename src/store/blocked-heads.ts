import type { BlockedKey } from './outbox-look.ts'

/** A place among the retried and failed events of a backend. */
export interface TroubledPlace {
  /** Its lane, from 0. */
  readonly lane: number
  /** Its number in the order of insertion. */
  readonly seq: number
}

/** An event that failed for good and blocks its key, with its place. */
export interface BlockedHead extends BlockedKey, TroubledPlace {}

/** Which are read. */
export interface BlockedHeadsQuery {
  /** The name of the backend. */
  readonly backend: string
  /** Only those behind this place; null = from the first. */
  readonly after: TroubledPlace | null
  /** At most this many. */
  readonly limit: number
  /** Retried and failed events that are read for that, at most. */
  readonly rows: number
}

/** What was read, in the order of lane and `seq`. A key with several such events has several heads. */
export interface BlockedHeads {
  /** The events, at most `limit`. */
  readonly heads: readonly BlockedHead[]
  /** Where the next ones begin (`after`); null = there are no more. */
  readonly next: TroubledPlace | null
}

/** What was read with one head more than wanted; `end` is the last row that was read, where there were as many as were allowed. Pure. */
export function pageOfHeads(found: readonly BlockedHead[], limit: number, end: TroubledPlace | null): BlockedHeads {
  const heads = found.slice(0, limit)
  const last = heads.at(-1)
  if (found.length > limit && last !== undefined) return { heads, next: { lane: last.lane, seq: last.seq } }
  return { heads, next: end }
}
