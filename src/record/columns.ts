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
  /** Its lane, from 0; null only in rows of a table that was taken over, until `migrate` has filled it. */
  readonly lane: number | null
  /** At most 255 characters. */
  readonly partitionKey: string | null
  /** The CloudEvents id when it is not the row's `id`. */
  readonly eventId: string | null
  /** The version of CloudEvents: `1.0`. */
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
  /** Where the event is in its life. */
  readonly status: Status
  /** When it was inserted, by the database's clock. */
  readonly createdAt: Date
  /** When the row last changed, by the database's clock. */
  readonly updatedAt: Date
  /** When it is due, or due again after a failed attempt. */
  readonly scheduledAt: Date
  /** When its delivery was recorded; null = it was not. */
  readonly publishedAt: Date | null
  /** Null = in the hot index; otherwise parked until then. On a `failed` row: not null = it blocks its key. */
  readonly availableAt: Date | null
  /** How many attempts have failed. */
  readonly retryCount: number
  /**
   * How many attempts it has in all, the first included: one more than the option `maxRetries` of `publish`, since the
   * column is Django's.
   */
  readonly maxRetries: number
  /** Text of the last error; empty = none. */
  readonly lastError: string
  /** At most 100 characters; empty = the default backend. */
  readonly publisherBackend: string
  /** JSON text of an object: this event's options for its backend. */
  readonly publisherConfig: string
  /** JSON text of an array, the last ten: `{ at, worker, error }`. */
  readonly attempts: string | null
  /** JSON text: what the backend remembers between attempts. */
  readonly progress: string | null
  /** Goes up with each move by an operator; an attempt that began before one records nothing after it. */
  readonly generation: number
  /** The code in the last error, such as `ECONNREFUSED`; null = it names none, or was stored before there was this column. */
  readonly errorCode: string | null
  /** 16 hexadecimal digits, the same for errors that differ in numbers, ids, times and quoted values alone; null as above. */
  readonly errorFingerprint: string | null
}

/** The name of a column, as records have it. */
export type ColumnName = keyof OutboxEventColumns

/** What a column holds; a dialect's way to select, read, compare and sort by it follows from this. */
export type ColumnKind = 'id' | 'number' | 'instant' | 'status' | 'text' | 'json' | 'bytes'

interface Column<Value> {
  readonly kind: KindOf<NonNullable<Value>>
  /** May be null. */
  readonly nullable: null extends Value ? true : false
  /** Characters that fit. */
  readonly width?: number
  /** Django Broadcaster's table lacks it. */
  readonly added?: true
}

type KindOf<Value> = [Value] extends [Date]
  ? 'instant'
  : [Value] extends [Uint8Array]
    ? 'bytes'
    : [Value] extends [number]
      ? 'number'
      : [Value] extends [Status]
        ? 'status'
        : 'id' | 'text' | 'json'

/** All columns, in table order. */
export const COLUMNS = {
  id: { kind: 'id', nullable: false },
  seq: { kind: 'number', nullable: true, added: true },
  lane: { kind: 'number', nullable: true, added: true },
  partitionKey: { kind: 'text', nullable: true, width: 255, added: true },
  eventId: { kind: 'text', nullable: true, added: true },
  specVersion: { kind: 'text', nullable: false, width: 10 },
  eventType: { kind: 'text', nullable: false, width: 255 },
  source: { kind: 'text', nullable: false, width: 255 },
  subject: { kind: 'text', nullable: false, width: 255 },
  dataContentType: { kind: 'text', nullable: false, width: 100 },
  dataSchema: { kind: 'text', nullable: false, width: 200 },
  data: { kind: 'json', nullable: true },
  dataBinary: { kind: 'bytes', nullable: true, added: true },
  extensions: { kind: 'json', nullable: true, added: true },
  eventTime: { kind: 'text', nullable: true, added: true },
  status: { kind: 'status', nullable: false, width: 20 },
  createdAt: { kind: 'instant', nullable: false },
  updatedAt: { kind: 'instant', nullable: false },
  scheduledAt: { kind: 'instant', nullable: false },
  publishedAt: { kind: 'instant', nullable: true },
  availableAt: { kind: 'instant', nullable: true, added: true },
  retryCount: { kind: 'number', nullable: false },
  maxRetries: { kind: 'number', nullable: false },
  lastError: { kind: 'text', nullable: false },
  publisherBackend: { kind: 'text', nullable: false, width: 100 },
  publisherConfig: { kind: 'json', nullable: false },
  attempts: { kind: 'json', nullable: true, added: true },
  progress: { kind: 'json', nullable: true, added: true },
  generation: { kind: 'number', nullable: false, added: true },
  errorCode: { kind: 'text', nullable: true, width: 64, added: true },
  errorFingerprint: { kind: 'text', nullable: true, width: 16, added: true },
} as const satisfies { readonly [Name in ColumnName]: Column<OutboxEventColumns[Name]> }

export const COLUMN_NAMES = Object.keys(COLUMNS) as readonly ColumnName[]

/** Columns that a filter or an order may name: all but JSON and bytes. */
export type FilterColumn = Exclude<
  ColumnName,
  'data' | 'dataBinary' | 'attempts' | 'progress' | 'publisherConfig' | 'extensions'
>
export const FILTER_COLUMNS = COLUMN_NAMES.filter(
  (name) => COLUMNS[name].kind !== 'json' && COLUMNS[name].kind !== 'bytes',
) as readonly FilterColumn[]

/** Columns that no backend needs, so the relay does not fetch them. */
const UNSENT = [
  'updatedAt',
  'scheduledAt',
  'publishedAt',
  'availableAt',
  'lastError',
  'attempts',
  'errorCode',
  'errorFingerprint',
] as const satisfies readonly ColumnName[]

/** A row with the columns that a backend needs. */
export type SendRow = Readonly<Omit<OutboxEventColumns, (typeof UNSENT)[number]>>
export const SEND_COLUMNS = COLUMN_NAMES.filter(
  (name) => !UNSENT.some((each) => each === name),
) as readonly (keyof SendRow)[]

/** The columns that a backend needs, except the data, which can be large. */
export const NARROW_COLUMNS = SEND_COLUMNS.filter((name) => name !== 'data' && name !== 'dataBinary')

/** The event's data, and the row's id. */
export const DATA_COLUMNS = ['id', 'data', 'dataBinary'] as const satisfies readonly ColumnName[]

/** Columns that a list leaves out and a record loads on demand, since they can be large. */
export const DEFERRED_IN_LISTS = ['data', 'dataBinary', 'attempts', 'progress'] as const satisfies readonly ColumnName[]

/** The name of a column in the database. */
export function sqlName(column: ColumnName): string {
  return column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/**
 * The instant in `availableAt` that means "until released by hand": behind a key whose event failed for good. A real
 * instant, since Django, MySQL and SQLite have no infinity.
 */
export const FAR_FUTURE = new Date('9999-12-31T00:00:00.000Z')

/** What the database adds to a new row. */
export const INSERTED_COLUMNS = [
  'id',
  'seq',
  'lane',
  'createdAt',
  'updatedAt',
  'scheduledAt',
  'availableAt',
] as const satisfies readonly ColumnName[]

export interface InsertedRow extends Pick<OutboxEventColumns, (typeof INSERTED_COLUMNS)[number]> {
  readonly seq: number
  readonly lane: number
}

/** Columns that a publish does not give: the database makes them, or they are the same in each new row. */
const NOT_GIVEN = [
  ...INSERTED_COLUMNS.filter((name) => name !== 'id' && name !== 'scheduledAt'),
  'status',
  'publishedAt',
  'retryCount',
  'lastError',
  'attempts',
  'progress',
  'generation',
  'errorCode',
  'errorFingerprint',
] as const satisfies readonly ColumnName[]

/** One row of a publish, before the database adds the rest. */
export interface NewOutboxEvent extends Omit<OutboxEventColumns, (typeof NOT_GIVEN)[number] | 'scheduledAt'> {
  /** The first 32 bits of SHA-256 of the partition key; the database takes it modulo its lanes. Null = any lane. */
  readonly keyHash: number | null
  /** An instant, or null to use `delay`. */
  readonly scheduledAt: Date | null
  /** Milliseconds from the database's now; 0 = due at once. Used when `scheduledAt` is null. */
  readonly delay: number
}

/** Its members, in a fixed order. */
export const NEW_MEMBERS = [
  ...COLUMN_NAMES.filter((name) => !NOT_GIVEN.some((each) => each === name)),
  'keyHash',
  'delay',
] as readonly (keyof NewOutboxEvent)[]
