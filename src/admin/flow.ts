import { type FlowRow, type FlowSeconds, TOOK_COUNTS } from '../store/history-store.ts'

/** A stretch of time to look at: an hour by minutes, a day by quarters of an hour, a week by hours. */
export type FlowRange = '1h' | '24h' | '7d'

/** The spans of each range. */
export const FLOW_RANGES: Readonly<Record<FlowRange, { readonly seconds: FlowSeconds; readonly spans: number }>> = {
  '1h': { seconds: 60, spans: 60 },
  '24h': { seconds: 900, spans: 96 },
  '7d': { seconds: 3_600, spans: 168 },
}

/** Spans over which `lately` adds up, beside the one that goes on. */
const LATELY = { seconds: 60, spans: 5 } as const

/** Times to delivery that half, 95 % and 99 % of the deliveries did not exceed, in ms: of a sample, to about a quarter. */
export interface DeliveryTimes {
  /** Half. */
  readonly p50: number
  /** 95 %. */
  readonly p95: number
  /** 99 %. */
  readonly p99: number
}

/** What was done in one span. */
export interface FlowPoint {
  /** When it began. */
  readonly at: Date
  /**
   * Events stored, by what the sequence gave out: those of transactions that were rolled back and of duplicates that were left out
   * count, too. Null = not known, or of one backend only.
   */
  readonly stored: number | null
  /** Deliveries recorded. */
  readonly delivered: number
  /** Attempts that failed and are tried again. */
  readonly retried: number
  /** Events that failed for good. */
  readonly failed: number
  /** Null = nothing was delivered, or its rows are deleted at once. */
  readonly times: DeliveryTimes | null
}

/** What was done for one backend. */
export interface BackendFlow extends Omit<FlowPoint, 'at' | 'stored'> {
  /** The name of the backend. */
  readonly backend: string
}

/** What workers did, in spans of one length. */
export interface Flow {
  /** When it was read, by the database's clock. */
  readonly at: Date
  /** The length of a span, in seconds. */
  readonly seconds: number
  /** Each span that is over, the oldest first. */
  readonly points: readonly FlowPoint[]
  /** The last five minutes and the one that goes on, by backend. */
  readonly lately: {
    /** How long that is. */
    readonly seconds: number
    /** Events stored; null = not known. */
    readonly stored: number | null
    readonly backends: readonly BackendFlow[]
  }
}

interface FlowRead {
  readonly now: Date
  readonly rows: readonly FlowRow[]
}

/** The points of a range. Pure. `backend`: only of this one. */
export function flowPoints({ now, rows }: FlowRead, range: FlowRange, backend?: string): readonly FlowPoint[] {
  const { seconds, spans } = FLOW_RANGES[range]
  const bySpan = Map.groupBy(rows, ({ began }) => began)
  const end = Math.floor(now.getTime() / 1_000 / seconds) * seconds
  const stored = backend === undefined ? storedBySpan(rows, seconds) : new Map<number, number>()
  return Array.from({ length: spans }, (_, n) => end - (spans - n) * seconds).map((began) => {
    const own = (bySpan.get(began) ?? []).filter((row) => backend === undefined || row.backend === backend)
    return { at: new Date(began * 1_000), stored: stored.get(began) ?? null, ...sumOf(own) }
  })
}

/** The last minutes. Pure. */
export function flowLately({ now, rows }: FlowRead): Flow['lately'] {
  const { seconds, spans } = LATELY
  const end = Math.floor(now.getTime() / 1_000 / seconds) * seconds
  const recent = rows.filter(({ began }) => began >= end - spans * seconds)
  const known = storedBySpan(rows, seconds)
  const stored = Array.from({ length: spans + 1 }, (_, n) => known.get(end - n * seconds) ?? null)
  return {
    seconds: seconds * spans + Math.max(0, now.getTime() / 1_000 - end),
    stored: stored.includes(null) ? null : Math.round(stored.reduce((all: number, one) => all + (one ?? 0), 0)),
    backends: [...Map.groupBy(recent, ({ backend }) => backend)]
      .filter(([backend]) => backend !== '')
      .map(([backend, own]) => ({ backend, ...sumOf(own) })),
  }
}

/** What came between two numbers of the sequence, spread evenly over the spans in which no worker looked. */
function storedBySpan(rows: readonly FlowRow[], seconds: number): ReadonlyMap<number, number> {
  const looks = rows.filter(({ backend }) => backend === '')
  const stored = new Map<number, number>()
  for (const [n, look] of looks.entries()) {
    const before = looks[n - 1]
    if (before === undefined) continue
    const spans = (look.began - before.began) / seconds
    for (let span = 0; span < spans; span++) {
      stored.set(look.began - span * seconds, Math.max(0, look.seq - before.seq) / spans)
    }
  }
  return stored
}

function sumOf(rows: readonly FlowRow[]): Omit<FlowPoint, 'at' | 'stored'> {
  const sum = (of: (row: FlowRow) => number): number => rows.reduce((all, row) => all + of(row), 0)
  const took = Array.from({ length: TOOK_COUNTS }, (_, n) => sum((row) => row.took[n] ?? 0))
  return {
    delivered: sum((row) => row.delivered),
    retried: sum((row) => row.retried),
    failed: sum((row) => row.failed),
    times: deliveryTimes(took),
  }
}

/** Of counts by powers of two. Pure. */
export function deliveryTimes(took: readonly number[]): DeliveryTimes | null {
  const all = took.reduce((sum, count) => sum + count, 0)
  if (all === 0) return null
  const at = (share: number): number => {
    let left = share * all
    for (const [n, count] of took.entries()) {
      if (left <= count && count > 0) return Math.round(n === 0 ? (2 * left) / count : 2 ** (n + left / count))
      left -= count
    }
    return 2 ** took.length
  }
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}
