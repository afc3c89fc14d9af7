import { type TimedRow, TOOK_COUNTS } from '../store/history-store.ts'

/**
 * How long a delivery took, in ms by the database's clock: from when the event was due, or inserted, to the record of its delivery. Of
 * one that was tried before it is from its first attempt known, since a retry moves the due time. Undefined: it is not delivered any
 * more. Pure.
 */
export function timeToDelivery({
  createdAt,
  scheduledAt,
  publishedAt,
  retryCount,
  attempts,
}: TimedRow): number | undefined {
  if (publishedAt === null) return undefined
  const due = Math.max(createdAt.getTime(), scheduledAt.getTime())
  const from = retryCount > 0 ? (firstAttempt(attempts) ?? createdAt.getTime()) : due
  return Math.max(0, publishedAt.getTime() - from)
}

function firstAttempt(attempts: string | null): number | undefined {
  try {
    const [first] = JSON.parse(attempts ?? '[]') as readonly { readonly at?: string }[]
    const at = Date.parse(first?.at ?? '')
    return Number.isNaN(at) ? undefined : at
  } catch {
    return undefined
  }
}

/** Counts by powers of two of milliseconds, in which the sample stands for `all`. Pure. */
export function tookCounts(times: readonly number[], all: number): readonly number[] {
  const counts = new Array<number>(TOOK_COUNTS).fill(0)
  for (const time of times) {
    const n = Math.min(TOOK_COUNTS - 1, time < 2 ? 0 : Math.floor(Math.log2(time)))
    counts[n] = (counts[n] ?? 0) + 1
  }
  return times.length === 0 ? counts : counts.map((count) => Math.round((count * all) / times.length))
}
