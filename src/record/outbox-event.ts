import { BroadcasterError, DoesNotExistError, MultipleObjectsReturnedError } from '../errors.ts'
import type { AttributeValue, CloudEvent, EncodableEvent } from '../event/cloud-event.ts'
import { cloudEventOf } from '../event/encodable.ts'
import { parseJson } from '../event/json.ts'
import type { Attempt } from './attempt.ts'
import { COLUMN_NAMES, type ColumnName, type OutboxEventColumns } from './columns.ts'
import { EVENT_COLUMNS, encodeRow } from './encode-row.ts'
import type { RecordFilter, RecordSource } from './record-source.ts'
import { displayStatus, type Status } from './status.ts'

/**
 * One event for one backend: the CloudEvent and its delivery state, as it is in the table `outbox_events`.
 *
 * A record is a snapshot. Its methods change the row and then the record. A column that was left out of a list is
 * deferred: reading it throws `DEFERRED_COLUMN` until `load` has fetched it.
 */
export class OutboxEvent<Data = unknown> {
  /** The error of `get` when nothing matches; on the class as in Django. */
  static readonly DoesNotExist = DoesNotExistError
  /** The error of `get` when several match; on the class as in Django. */
  static readonly MultipleObjectsReturned = MultipleObjectsReturnedError

  /** True when `publish` found this event already stored and inserted nothing. */
  readonly duplicate: boolean
  #columns: Partial<OutboxEventColumns>
  readonly #source: RecordSource | undefined
  #data: { readonly value: unknown } | undefined

  constructor(columns: Partial<OutboxEventColumns>, source?: RecordSource, duplicate = false) {
    this.#columns = columns
    this.#source = source
    this.duplicate = duplicate
  }

  #column<Name extends ColumnName>(name: Name): OutboxEventColumns[Name] {
    const value = this.#columns[name]
    if (value !== undefined) return value as OutboxEventColumns[Name]
    throw new BroadcasterError(
      'DEFERRED_COLUMN',
      `${name} was not read with this outbox event; call \`await event.load('${name}')\` first`,
      { field: name },
    )
  }

  /** UUID of the row; also the CloudEvents id unless `eventId` says otherwise. */
  get id(): string {
    return this.#column('id')
  }
  /** Insertion order, assigned by the database. */
  get seq(): number | null {
    return this.#column('seq')
  }
  /** The share of the events that one worker owns at a time. */
  get lane(): number | null {
    return this.#column('lane')
  }
  /** Events with the same key are delivered in order. Null = no order. */
  get partitionKey(): string | null {
    return this.#column('partitionKey')
  }
  /** The CloudEvents id. */
  get eventId(): string {
    return this.#column('eventId') ?? this.#column('id')
  }
  /** The CloudEvents time that the caller gave, exactly as given; null = `createdAt` is the time. */
  get eventTime(): string | null {
    return this.#column('eventTime')
  }
  /** CloudEvents `specversion`. */
  get specVersion(): string {
    return this.#column('specVersion')
  }
  /** CloudEvents `type`. */
  get eventType(): string {
    return this.#column('eventType')
  }
  /** CloudEvents `source`. */
  get source(): string {
    return this.#column('source')
  }
  /** CloudEvents `subject`; empty = none. */
  get subject(): string {
    return this.#column('subject')
  }
  /** CloudEvents `datacontenttype`; empty = none. */
  get dataContentType(): string {
    return this.#column('dataContentType')
  }
  /** CloudEvents `dataschema`; empty = none. */
  get dataSchema(): string {
    return this.#column('dataSchema')
  }
  /** The stored JSON text of the data, untouched; null = none, or binary. */
  get dataJson(): string | null {
    return this.#column('data')
  }
  /** The data when it is binary. */
  get dataBinary(): Uint8Array | null {
    return this.#column('dataBinary')
  }
  /** Where it is in its life; `getStatusDisplay` says it for people. */
  get status(): Status {
    return this.#column('status')
  }
  /** When it was inserted, by the database's clock. */
  get createdAt(): Date {
    return this.#column('createdAt')
  }
  /** When the row last changed, by the database's clock. */
  get updatedAt(): Date {
    return this.#column('updatedAt')
  }
  /** Not delivered before this instant. */
  get scheduledAt(): Date {
    return this.#column('scheduledAt')
  }
  /** When its delivery was recorded, by the database's clock; null = it was not. */
  get publishedAt(): Date | null {
    return this.#column('publishedAt')
  }
  /** Set while the event waits outside the hot index. */
  get availableAt(): Date | null {
    return this.#column('availableAt')
  }
  /** How many attempts have failed. */
  get retryCount(): number {
    return this.#column('retryCount')
  }
  /** How many attempts it has in all, the first included: one more than `maxRetries` of `publish`, since the column is Django's. */
  get maxRetries(): number {
    return this.#column('maxRetries')
  }
  /** Empty = no error. */
  get lastError(): string {
    return this.#column('lastError')
  }
  /** The code in the last error, such as `ECONNREFUSED`; null = it names none. */
  get errorCode(): string | null {
    return this.#column('errorCode')
  }
  /** Stands for the last error without what differs from event to event: 16 hexadecimal digits; null = there is none, or it is old. */
  get errorFingerprint(): string | null {
    return this.#column('errorFingerprint')
  }
  /** Empty = the default backend. */
  get publisherBackend(): string {
    return this.#column('publisherBackend')
  }

  /** The data, parsed on first read; integers beyond 2^53 are `bigint`, binary data is a `Uint8Array`. */
  get data(): Data {
    if (this.#data === undefined) {
      const binary = this.#columns.dataBinary
      const text = this.#column('data')
      this.#data = { value: binary ?? (text === null ? null : parseJson(text)) }
    }
    return this.#data.value as Data
  }

  /** This event's options for its backend. */
  get publisherConfig(): Readonly<Record<string, unknown>> {
    const text = this.#column('publisherConfig')
    return text === '' || text === '{}' ? {} : (parseJson(text) as Record<string, unknown>)
  }

  /** CloudEvents extension attributes, `traceparent` among them. */
  get extensions(): Readonly<Record<string, AttributeValue>> {
    const text = this.#column('extensions')
    return text === null ? {} : (parseJson(text) as Record<string, AttributeValue>)
  }

  /** The last ten attempts that did not deliver. */
  get attempts(): readonly Attempt[] {
    const text = this.#column('attempts')
    return text === null ? [] : (parseJson(text) as Attempt[])
  }

  /** What the backend remembers about this event: for local handlers, each handler's result and time. */
  get progress(): unknown {
    const text = this.#column('progress')
    return text === null ? null : parseJson(text)
  }

  /** CloudEvents `time`: the caller's own, or `createdAt`. */
  get time(): string {
    return this.#column('eventTime') ?? this.#column('createdAt').toISOString()
  }

  /** How often an operator moved this event: requeued, replayed, cancelled or changed it by hand. */
  get generation(): number {
    return this.#column('generation')
  }

  /** The name of the status for people, such as `Pending`. */
  getStatusDisplay(): string {
    return displayStatus(this.status)
  }

  /** `event_type - id`. */
  toString(): string {
    return `${this.eventType} - ${this.id}`
  }

  /** For `JSON.stringify` and logs: the columns that were read, data parsed. */
  toJSON(): Record<string, unknown> {
    const shown: Record<string, unknown> = {}
    for (const name of COLUMN_NAMES) {
      if (this.#columns[name] === undefined || name === 'dataBinary') continue
      shown[name] = this[name]
    }
    if (this.#columns.dataBinary) shown['data'] = Buffer.from(this.#columns.dataBinary).toString('base64')
    return shown
  }

  /** The event as a plain CloudEvent object; empty attributes are left out. */
  toCloudEvent(): CloudEvent<Data> {
    const encodable = this.toEncodable()
    return cloudEventOf(encodable, encodable.dataJson === null ? undefined : this.data) as CloudEvent<Data>
  }

  /** The event ready for an encoder: attributes as values, data as it is stored. */
  toEncodable(): EncodableEvent {
    for (const name of EVENT_COLUMNS) this.#column(name)
    return encodeRow(this.#columns as OutboxEventColumns)
  }

  /** Whether a column was read. */
  isLoaded(name: ColumnName): boolean {
    return this.#columns[name] !== undefined
  }

  /** Reads deferred columns (default: all missing ones). Throws `DoesNotExist` when the row is gone. */
  async load(...names: readonly ColumnName[]): Promise<this> {
    const wanted = names.length > 0 ? names : COLUMN_NAMES.filter((name) => !this.isLoaded(name))
    if (wanted.length === 0) return this
    return this.#merge(await this.#bound('load').load(this.id, wanted))
  }

  /** Reads all columns again. */
  async refresh(): Promise<this> {
    return this.#merge(await this.#bound('refresh').load(this.id, COLUMN_NAMES))
  }

  /** Records that the event was delivered by other means: published, now. */
  async markAsPublished(): Promise<this> {
    return this.#merge(await this.#bound('markAsPublished').markAsPublished(this.id))
  }

  /** Gives up on the event and stores the error. */
  async markAsFailed(error: string): Promise<this> {
    return this.#merge(await this.#bound('markAsFailed').markAsFailed(this.id, error))
  }

  /**
   * Adds one to `retryCount` and stores the error. At `maxRetries` the status becomes `failed`, otherwise `retry` with
   * `scheduledAt` = now + 2^retryCount minutes.
   */
  async incrementRetry(error: string): Promise<this> {
    return this.#merge(await this.#bound('incrementRetry').incrementRetry(this.id, this.retryCount, error))
  }

  /** The next event by creation time, ties by id. Throws `DoesNotExist` at the end. */
  getNextByCreatedAt(filter?: RecordFilter): Promise<OutboxEvent> {
    return this.#bound('getNextByCreatedAt').neighbour(this.id, 'createdAt', 'after', filter)
  }
  /** The previous event by creation time, ties by id. Throws `DoesNotExist` at the start. */
  getPreviousByCreatedAt(filter?: RecordFilter): Promise<OutboxEvent> {
    return this.#bound('getPreviousByCreatedAt').neighbour(this.id, 'createdAt', 'before', filter)
  }
  /** The next event by due time, ties by id. Throws `DoesNotExist` at the end. */
  getNextByScheduledAt(filter?: RecordFilter): Promise<OutboxEvent> {
    return this.#bound('getNextByScheduledAt').neighbour(this.id, 'scheduledAt', 'after', filter)
  }
  /** The previous event by due time, ties by id. Throws `DoesNotExist` at the start. */
  getPreviousByScheduledAt(filter?: RecordFilter): Promise<OutboxEvent> {
    return this.#bound('getPreviousByScheduledAt').neighbour(this.id, 'scheduledAt', 'before', filter)
  }
  /** The next event by time of last change, ties by id. Throws `DoesNotExist` at the end. */
  getNextByUpdatedAt(filter?: RecordFilter): Promise<OutboxEvent> {
    return this.#bound('getNextByUpdatedAt').neighbour(this.id, 'updatedAt', 'after', filter)
  }
  /** The previous event by time of last change, ties by id. Throws `DoesNotExist` at the start. */
  getPreviousByUpdatedAt(filter?: RecordFilter): Promise<OutboxEvent> {
    return this.#bound('getPreviousByUpdatedAt').neighbour(this.id, 'updatedAt', 'before', filter)
  }

  #merge(columns: Partial<OutboxEventColumns>): this {
    this.#columns = { ...this.#columns, ...columns }
    if (columns.data !== undefined || columns.dataBinary !== undefined) this.#data = undefined
    return this
  }

  #bound(method: string): RecordSource {
    if (this.#source) return this.#source
    throw new BroadcasterError(
      'DETACHED_RECORD',
      `${method} needs a store, and this outbox event came without one; read it with \`broadcaster.events.get({ id })\` first`,
    )
  }
}
