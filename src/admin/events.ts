import { DoesNotExistError } from '../errors.ts'
import { canonicalUuid } from '../event/uuid.ts'
import type { ColumnName, OutboxEventColumns } from '../record/columns.ts'
import { COLUMN_NAMES } from '../record/columns.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import type { RecordFilter, RecordSource } from '../record/record-source.ts'
import { assertMove, type Status } from '../record/status.ts'
import type { AdminMove, AdminStore, Condition } from '../store/admin-store.ts'
import { compileFilter } from './compile-filter.ts'
import type { Defined } from './defined.ts'
import { EventQuery, type IterateOptions, type OrderTerm, withData } from './event-query.ts'
import { type MoveEvents, Moves, type RescheduleEvents } from './moves.ts'
import { type OutboxStats, statsOf } from './status.ts'

/** Beyond this many the schedule no longer changes: 2^20 minutes are two years. */
const MAX_EXPONENT = 20
const MINUTE = 60_000

/** `create` of the manager: publishes in a transaction of its own. */
export type CreateEvent<Input extends readonly unknown[]> = (...input: Input) => Promise<OutboxEvent>

/**
 * `broadcaster.events`: reads the outbox and does what operators do. Selections are `EventQuery`s; moves return the
 * outcome of each event, and leave alone those whose status does not allow the move.
 */
export class EventManager<Input extends readonly unknown[] = readonly never[]> implements RecordSource {
  readonly #admin: AdminStore
  readonly #create: CreateEvent<Input>
  readonly #moves: Moves

  constructor(admin: AdminStore, create: CreateEvent<Input>) {
    this.#admin = admin
    this.#moves = new Moves(admin, this)
    this.#create = create
  }

  /** Publishes one event in a transaction of its own. Beside business data use `broadcaster.publish(tx, ...)`. */
  create(...input: Input): Promise<OutboxEvent> {
    return this.#create(...input)
  }

  /** The only event that matches, by filter or id. Throws `DoesNotExist` or `MultipleObjectsReturned`. */
  async get<Filter extends RecordFilter | string>(filter: Filter & Defined<Filter>): Promise<OutboxEvent> {
    const wanted: RecordFilter = typeof filter === 'string' ? { id: filter } : filter
    // Given and undefined is refused here; a query's own `get()` has its conditions already.
    compileFilter(wanted)
    return this.#query().get(wanted)
  }

  /** The events that match. */
  filter<Filter extends RecordFilter>(filter?: Filter & Defined<Filter>): EventQuery {
    return this.#query().where(compileFilter(filter ?? {}))
  }
  /** The events that do not match. */
  exclude<Filter extends RecordFilter>(filter: Filter & Defined<Filter>): EventQuery {
    const given: RecordFilter = filter
    return this.#query().exclude(given)
  }
  /** All events in this order; `-createdAt` is descending. */
  orderBy(...terms: readonly OrderTerm[]): EventQuery {
    return this.#query().orderBy(...terms)
  }
  /** Every event, as a list. */
  all(): Promise<readonly OutboxEvent[]> {
    return this.#query().all()
  }
  /** The event created first, or null. */
  first(): Promise<OutboxEvent | null> {
    return this.#query().first()
  }
  /** The event created last, or null. */
  last(): Promise<OutboxEvent | null> {
    return this.#query().last()
  }
  /** Whether there is any event. */
  exists(): Promise<boolean> {
    return this.#query().exists()
  }
  /** How many events there are. Counts the whole table: `stats` gives an estimate at once. */
  count(): Promise<number> {
    return this.#query().count()
  }
  /** Every event, in batches by primary key. */
  iterate(options?: IterateOptions): AsyncGenerator<OutboxEvent, void, undefined> {
    return this.#query().iterate(options)
  }

  /** Events with this id or event id, or with this text in their type, source or subject; case does not count. */
  search(text: string): EventQuery {
    const sought = text.trim()
    if (sought === '') return this.#query()
    // No column holds it, and PostgreSQL takes no text with it.
    if (sought.includes('\0')) return this.#query().where([{ op: 'any', groups: [] }])
    const id = canonicalUuid(sought)
    const conditions: Condition[] = [
      { column: 'eventId', op: 'eq', value: sought },
      { column: 'eventType', op: 'icontains', value: sought },
      { column: 'source', op: 'icontains', value: sought },
      { column: 'subject', op: 'icontains', value: sought },
    ]
    if (id !== undefined) conditions.push({ column: 'id', op: 'eq', value: id })
    return this.#query().where([{ op: 'any', groups: conditions.map((condition) => [condition]) }])
  }

  /** Makes failed, cancelled and retrying events pending again, due now, with all their retries; releases their keys. */
  readonly requeue: MoveEvents = (target, options) => this.#moves.requeue(target, options)
  /** Sends published events again. */
  readonly replay: MoveEvents = (target, options) => this.#moves.replay(target, options)
  /** Lets the keys of failed events go on without them; they stay failed. */
  readonly skip: MoveEvents = (target, options) => this.#moves.skip(target, options)
  /** Gives up on events that are not published: they are never sent. */
  readonly cancel: MoveEvents = (target, options) => this.#moves.cancel(target, options)
  /** Moves the due time of events that are still to be delivered. */
  readonly reschedule: RescheduleEvents = (target, at, options) => this.#moves.reschedule(target, at, options)
  /**
   * Deletes events, whatever their status: those not yet delivered never are. One that turns out to have been sent while
   * it was asked for is too late, and stays.
   */
  readonly delete: MoveEvents = (target, options) => this.#moves.delete(target, options)

  /** Numbers by backend; none needs a scan of the table. */
  async stats(): Promise<OutboxStats> {
    return statsOf(await this.#admin.look())
  }

  // What a record asks of where it came from.

  async load(id: string, columns: readonly ColumnName[]): Promise<Partial<OutboxEventColumns>> {
    const row = await this.#read(id, columns)
    if (row) return row
    throw new DoesNotExistError(`there is no outbox event ${id}`, { field: 'id', value: id })
  }

  async loadMany(
    ids: readonly string[],
    columns: readonly ColumnName[],
  ): Promise<ReadonlyMap<string, Partial<OutboxEventColumns>>> {
    const where: Condition[] = [{ column: 'id', op: 'in', values: ids }]
    const names = withData(['id', ...columns])
    const rows = await this.#admin.list({ where, order: [], limit: ids.length, offset: 0, columns: names })
    return new Map(rows.map((row) => [row.id ?? '', row]))
  }

  async markAsPublished(id: string): Promise<Partial<OutboxEventColumns>> {
    return this.#moveOne(id, { kind: 'markPublished' }, 'published')
  }

  async markAsFailed(id: string, error: string): Promise<Partial<OutboxEventColumns>> {
    return this.#moveOne(id, { kind: 'markFailed', error }, 'failed')
  }

  /** The delay is 2^n minutes, n being the retry count after this one. */
  async incrementRetry(id: string, retryCount: number, error: string): Promise<Partial<OutboxEventColumns>> {
    const delay = 2 ** Math.min(retryCount + 1, MAX_EXPONENT) * MINUTE
    return this.#moveOne(id, { kind: 'incrementRetry', error, delay }, 'retry')
  }

  /** The record next to this one by a date, among those that match. Throws `DOES_NOT_EXIST`. */
  async neighbour(
    id: string,
    column: 'createdAt' | 'scheduledAt' | 'updatedAt',
    direction: 'after' | 'before',
    filter: RecordFilter = {},
  ): Promise<OutboxEvent> {
    const found = await this.#query()
      .where([...compileFilter(filter), { column, op: direction, id }])
      .orderBy(direction === 'after' ? column : `-${column}`)
      .first()
    if (found) return found
    const which = direction === 'after' ? 'after' : 'before'
    throw new DoesNotExistError(`there is no matching outbox event ${which} ${id} by ${column}`, {
      field: column,
      value: id,
    })
  }

  #query(): EventQuery {
    return new EventQuery(this.#admin, this)
  }

  /** Throws `ILLEGAL_STATUS_MOVE` when the status forbids it. */
  async #moveOne(id: string, move: AdminMove, to: Status): Promise<Partial<OutboxEventColumns>> {
    const wasMoved = await this.#moves.one(id, move)
    const row = await this.load(id, COLUMN_NAMES)
    if (!wasMoved && row.status !== undefined) assertMove(row.status, to)
    return row
  }

  async #read(id: string, columns: readonly ColumnName[]): Promise<Partial<OutboxEventColumns> | undefined> {
    const where: Condition[] = [{ column: 'id', op: 'eq', value: id }]
    const names = withData(['id', ...columns])
    return (await this.#admin.list({ where, order: [], limit: 1, offset: 0, columns: names }))[0]
  }
}
