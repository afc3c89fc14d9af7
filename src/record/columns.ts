import type { Status } from './status.ts'

/**
 * The stored row, column by column, as every store hands it over. JSON columns stay text: the relay never parses
 * and re-serialises them. Lengths are those of the Django table; `docs/architecture.md` says what each is for.
 */
export interface OutboxEventColumns {
  /** UUID, canonical lower-case form. */
  readonly id: string
  /** Insertion order, assigned by the database. Null only in rows that Django wrote before the take-over. */
  readonly seq: number | null
  readonly lane: number | null
  /** At most 255 characters. */
  readonly partitionKey: string | null
  /** The CloudEvents id when it is not the row's `id`. */
  readonly eventId: string | null
  readonly specVersion: string
  /** At most 255 characters. */
  readonly eventType: string
  /** At most 255 characters. */
  readonly source: string
  /** At most 255 characters; empty = none. */
  readonly subject: string
  /** At most 100 characters; empty = none. */
  readonly dataContentType: string
  /** At most 200 characters; empty = none. */
  readonly dataSchema: string
  /** JSON text of the event's data; null = none, or binary. */
  readonly data: string | null
  /** The event's data when it is binary. */
  readonly dataBinary: Uint8Array | null
  /** JSON text of an object: the CloudEvents extension attributes. */
  readonly extensions: string | null
  /** The CloudEvents time when the caller gave one, exactly as given; null = `createdAt`. */
  readonly eventTime: string | null
  readonly status: Status
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly scheduledAt: Date
  readonly publishedAt: Date | null
  /** Null = in the hot index; otherwise parked until then. On a `failed` row: not null = it blocks its key. */
  readonly availableAt: Date | null
  readonly retryCount: number
  readonly maxRetries: number
  readonly lastError: string
  /** At most 100 characters; empty = the default backend. */
  readonly publisherBackend: string
  /** JSON text of an object: this event's options for its backend. */
  readonly publisherConfig: string
  /** JSON text of an array, the last ten: `{ at, worker, error }`. */
  readonly attempts: string | null
  /** JSON text: what the backend wants to remember between attempts. */
  readonly progress: string | null
  /** Goes up with each move by an operator; an attempt that began before one records nothing after it. */
  readonly generation: number
}

export type ColumnName = keyof OutboxEventColumns

/** All columns, in table order. */
export const COLUMN_NAMES = [
  'id',
  'seq',
  'lane',
  'partitionKey',
  'eventId',
  'specVersion',
  'eventType',
  'source',
  'subject',
  'dataContentType',
  'dataSchema',
  'data',
  'dataBinary',
  'extensions',
  'eventTime',
  'status',
  'createdAt',
  'updatedAt',
  'scheduledAt',
  'publishedAt',
  'availableAt',
  'retryCount',
  'maxRetries',
  'lastError',
  'publisherBackend',
  'publisherConfig',
  'attempts',
  'progress',
  'generation',
] as const satisfies readonly ColumnName[]

/** What a backend needs of a row, and so what the relay fetches. */
export const SEND_COLUMNS = [
  'id',
  'seq',
  'lane',
  'partitionKey',
  'eventId',
  'specVersion',
  'eventType',
  'source',
  'subject',
  'dataContentType',
  'dataSchema',
  'data',
  'dataBinary',
  'extensions',
  'eventTime',
  'status',
  'createdAt',
  'retryCount',
  'maxRetries',
  'publisherBackend',
  'publisherConfig',
  'progress',
  'generation',
] as const satisfies readonly ColumnName[]

/** Columns that a list leaves out and a record loads on demand, since they can be large. */
export const DEFERRED_IN_LISTS = ['data', 'dataBinary', 'attempts', 'progress'] as const satisfies readonly ColumnName[]

/** The name of a column in the database. */
export function sqlName(column: ColumnName): string {
  return column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/**
 * The instant that `availableAt` holds for "until released by hand": behind a key whose event failed for good.
 * A real instant, since Django, MySQL and SQLite know no infinity.
 */
export const FAR_FUTURE = new Date('9999-12-31T00:00:00.000Z')

/** One row of a publish, before the database has given it `seq`, `lane` and its times. */
export interface NewOutboxEvent {
  readonly id: string
  readonly partitionKey: string | null
  /** The first 32 bits of SHA-256 of the partition key; the database takes it modulo its lanes. Null = any lane. */
  readonly keyHash: number | null
  readonly eventId: string | null
  readonly specVersion: string
  readonly eventType: string
  readonly source: string
  readonly subject: string
  readonly dataContentType: string
  readonly dataSchema: string
  readonly data: string | null
  readonly dataBinary: Uint8Array | null
  readonly extensions: string | null
  readonly eventTime: string | null
  /** An instant, or null to use `delay`. */
  readonly scheduledAt: Date | null
  /** Milliseconds from the database's now; 0 = due at once. Used when `scheduledAt` is null. */
  readonly delay: number
  readonly maxRetries: number
  readonly publisherBackend: string
  readonly publisherConfig: string
}

/** What the database adds to a new row. */
export interface InsertedRow {
  readonly id: string
  readonly seq: number
  readonly lane: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly scheduledAt: Date
  readonly availableAt: Date | null
}
