import type { OutboxEventColumns } from '../record/columns.ts'

/** Spans of time in which workers add up what they did, and for how many spans it is kept. */
export const FLOW_SPANS = [
  { seconds: 60, kept: 180 },
  { seconds: 900, kept: 104 },
  { seconds: 3_600, kept: 192 },
] as const

/** The length of a span, in seconds. */
export type FlowSeconds = (typeof FLOW_SPANS)[number]['seconds']

/**
 * Times to delivery are counted by powers of two: the nth count, from 0, is of those that took at least 2^n ms and less than 2^(n+1);
 * the first also has the shorter ones, the last (from 4.7 h) the longer ones.
 */
export const TOOK_COUNTS = 25

/** What workers did for one backend. */
export interface FlowCounts {
  /** The name of the backend; empty = the outbox as a whole, which only has `seq`. */
  readonly backend: string
  /** Deliveries recorded. */
  readonly delivered: number
  /** Attempts that failed and are tried again. */
  readonly retried: number
  /** Events that failed for good. */
  readonly failed: number
  /** How long deliveries took: `TOOK_COUNTS` counts. A sample stands for all, so their sum is about `delivered`. */
  readonly took: readonly number[]
}

/** What one worker did since it last said so. */
export interface NewFlow {
  /** The greatest `seq` that it saw; 0 = none. */
  readonly seq: number
  readonly backends: readonly FlowCounts[]
}

/** One backend in one span. */
export interface FlowRow extends FlowCounts {
  /** When the span began, in seconds since 1970. */
  readonly began: number
  /** Of the outbox as a whole: the greatest `seq` given out by the end of the span, as far as is known. Else 0. */
  readonly seq: number
}

/** A breaker. */
export interface BreakerName {
  /** The name of the backend. */
  readonly backend: string
  /** The place behind the backend; empty = the whole backend. */
  readonly destination: string
}

/** An outage: from the opening of a breaker until it closed. */
export interface OutageEntry extends BreakerName {
  /** Goes up with each. */
  readonly id: number
  /** When it opened. */
  readonly openedAt: Date
  /** The worker that opened it. */
  readonly openedBy: string
  /** Why it opened. */
  readonly reason: string
  /** How often it was half open: one worker was allowed one try. */
  readonly probes: number
  /** When it was half open last; null = never. */
  readonly probedAt: Date | null
  /** Why the last of these failed; empty = none did. */
  readonly lastError: string
  /** Null = it is open. */
  readonly closedAt: Date | null
  /** The worker, or the person, who closed it; empty = nobody said so, but it was opened again. */
  readonly closedBy: string
}

/** How many outages are kept for each backend, the places behind it included. */
export const MOST_OUTAGES = 200
/** Rows of one reading of the flow, at most. */
export const MOST_FLOW_ROWS = 20_000

/** Columns that tell how long a delivery took. */
export const TIMED_COLUMNS = [
  'createdAt',
  'scheduledAt',
  'publishedAt',
  'retryCount',
  'attempts',
] as const satisfies readonly (keyof OutboxEventColumns)[]

export type TimedRow = Pick<OutboxEventColumns, (typeof TIMED_COLUMNS)[number]>

/** What happened to an outbox, in a bounded number of rows. Nothing depends on it: what is not written down is missing here alone. */
export interface HistoryStore {
  /** Adds to what was done in the spans of now, and deletes the spans that are no longer kept. */
  count(flow: NewFlow): Promise<void>
  /** The rows with these ids that are there, by primary key and nothing else; in any order. */
  timed(ids: readonly string[]): Promise<readonly TimedRow[]>
  /** The newest `spans` spans of this length, that of now included, and one before them; the oldest first. */
  flow(seconds: FlowSeconds, spans: number): Promise<{ readonly now: Date; readonly rows: readonly FlowRow[] }>
  /** A breaker opened. Forgets outages of this backend beyond `MOST_OUTAGES`. */
  opened(breaker: BreakerName, by: string, reason: string): Promise<void>
  /** It is half open. */
  probed(breaker: BreakerName): Promise<void>
  /** The try failed. */
  stillDown(breaker: BreakerName, error: string): Promise<void>
  /** It closed. */
  closed(breaker: BreakerName, by: string): Promise<void>
  /** The newest first, of one backend or of all; only those before the number `before`, unless it is null. */
  outages(query: {
    readonly backend?: string | undefined
    readonly before: number | null
    readonly limit: number
  }): Promise<readonly OutageEntry[]>
}

/** The names of the columns of `took`. */
export const TOOK_COLUMNS: readonly string[] = Array.from({ length: TOOK_COUNTS }, (_, n) => `took_${n}`)

/** The columns that are added up. */
export const ADDED_COLUMNS: readonly string[] = ['delivered', 'retried', 'failed', ...TOOK_COLUMNS]

/** The values of `ADDED_COLUMNS`. */
export function addedValues({ delivered, retried, failed, took }: FlowCounts): readonly number[] {
  return [delivered, retried, failed, ...took]
}

/** All that is to be added, that of the outbox as a whole among it, in an order in which two workers do not wait for each other. */
export function addedRows({ seq, backends }: NewFlow): readonly (FlowCounts & { readonly seq: number })[] {
  const whole = { backend: '', delivered: 0, retried: 0, failed: 0, took: new Array<number>(TOOK_COUNTS).fill(0), seq }
  const each = backends.map((one) => ({ ...one, seq: 0 }))
  return [whole, ...each].sort((a, b) => (a.backend < b.backend ? -1 : 1))
}

/** Reads a row of the table. */
export function flowRowOf(row: Readonly<Record<string, unknown>>): FlowRow {
  const number = (name: string): number => Number(row[name])
  return {
    backend: String(row['backend']),
    began: number('began'),
    seq: number('seq'),
    delivered: number('delivered'),
    retried: number('retried'),
    failed: number('failed'),
    took: TOOK_COLUMNS.map(number),
  }
}

/** Reads a row of the table; `date` reads its instants. */
export function outageOf(row: Readonly<Record<string, unknown>>, date: (value: unknown) => Date): OutageEntry {
  const orNull = (value: unknown): Date | null => (value == null ? null : date(value))
  return {
    id: Number(row['id']),
    backend: String(row['backend']),
    destination: String(row['destination']),
    openedAt: date(row['opened_at']),
    openedBy: String(row['opened_by']),
    reason: String(row['reason']),
    probes: Number(row['probes']),
    probedAt: orNull(row['probed_at']),
    lastError: String(row['last_error']),
    closedAt: orNull(row['closed_at']),
    closedBy: String(row['closed_by']),
  }
}
