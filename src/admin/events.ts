import { BroadcasterError, DoesNotExist } from '../errors.ts'
import { canonicalUuid } from '../event/uuid.ts'
import { showValue } from '../problem.ts'
import type { ColumnName, OutboxEventColumns } from '../record/columns.ts'
import { COLUMN_NAMES } from '../record/columns.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import type { RecordFilter, RecordSource } from '../record/record-source.ts'
import { assertMove, type Status } from '../record/status.ts'
import type { AdminMove, AdminStore, Condition, OutboxStats } from '../store/admin-store.ts'
import { compileFilter } from './compile-filter.ts'
import type { Defined } from './defined.ts'
import { EventQuery, type IterateOptions, type OrderTerm, withData } from './event-query.ts'
import { MOVABLE } from './movable.ts'
import { type MoveOptions, moveEvents, type Target } from './move-events.ts'
import { type MoveResult, moveInPeace } from './move-in-peace.ts'
import { isStorableDate } from './storable-date.ts'

/** Beyond this many the schedule stands still: 2^20 minutes are two years. */
const MAX_EXPONENT = 20
const MINUTE = 60_000

/** `create` of the manager: publishes in a transaction of its own. */
export type CreateEvent<Input extends readonly unknown[]> = (...input: Input) => Promise<OutboxEvent>

/**
 * `broadcaster.events`: reads the outbox and does what operators do. Selections are `EventQuery`s; moves return what
 * became of each event, and leave alone those whose status does not allow the move.
 */
export class EventManager<Input extends readonly unknown[] = readonly never[]> implements RecordSource {
  readonly #admin: AdminStore
  readonly #create: CreateEvent<Input>

  constructor(admin: AdminStore, create: CreateEvent<Input>) {
    this.#admin = admin
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
  requeue<Chosen extends Target>(target: Chosen & Defined<Chosen>, options?: MoveOptions): Promise<MoveResult> {
    return this.#move(target, { kind: 'requeue' }, MOVABLE.requeue, options)
  }
  /** Sends published events again. */
  replay<Chosen extends Target>(target: Chosen & Defined<Chosen>, options?: MoveOptions): Promise<MoveResult> {
    return this.#move(target, { kind: 'replay' }, MOVABLE.replay, options)
  }
  /** Lets the keys of failed events go on without them; they stay failed. */
  skip<Chosen extends Target>(target: Chosen & Defined<Chosen>, options?: MoveOptions): Promise<MoveResult> {
    return this.#move(target, { kind: 'skip' }, MOVABLE.skip, options)
  }
  /** Gives up on events that are not published: they are never sent. */
  cancel<Chosen extends Target>(target: Chosen & Defined<Chosen>, options?: MoveOptions): Promise<MoveResult> {
    return this.#move(target, { kind: 'cancel' }, MOVABLE.cancel, options)
  }
  /** Moves the due time of events that are still to be delivered. */
  async reschedule<Chosen extends Target>(
    target: Chosen & Defined<Chosen>,
    at: Date,
    options?: MoveOptions,
  ): Promise<MoveResult> {
    if (!isStorableDate(at)) {
      const message = `at is ${showValue(at)}; give a Date of the years 1 to 9999`
      throw new BroadcasterError('INVALID_OPTION', message, { field: 'at', value: at })
    }
    return this.#move(target, { kind: 'reschedule', at }, ['pending', 'retry', 'processing'], options)
  }

  /**
   * Deletes events, whatever their status: those not yet delivered never are. One that turns out to have been sent while
   * it was asked for is too late, and stays.
   */
  delete<Chosen extends Target>(target: Chosen & Defined<Chosen>, options?: MoveOptions): Promise<MoveResult> {
    return this.#move(target, { kind: 'delete', published: true }, undefined, options)
  }

  /** Numbers by backend; none needs a scan of the table. */
  stats(): Promise<OutboxStats> {
    return this.#admin.stats()
  }

  // What a record asks of where it came from.

  async load(id: string, columns: readonly ColumnName[]): Promise<Partial<OutboxEventColumns>> {
    const row = await this.#read(id, columns)
    if (row) return row
    throw new DoesNotExist(`there is no outbox event ${id}`, { field: 'id', value: id })
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
    throw new DoesNotExist(`there is no matching outbox event ${which} ${id} by ${column}`, {
      field: column,
      value: id,
    })
  }

  #query(): EventQuery {
    return new EventQuery(this.#admin, this)
  }

  #move(
    target: Target,
    move: AdminMove,
    statuses: readonly Status[] | undefined,
    options: MoveOptions = {},
  ): Promise<MoveResult> {
    const apply = async (ids: readonly string[]): Promise<MoveResult> => {
      const { moved, unknown } = await moveInPeace(this.#admin, ids, move, options)
      const known = new Set([...moved, ...unknown])
      // Only what is still to be sent can be too late.
      const mayBeLate = move.kind !== 'replay' && move.kind !== 'skip'
      const tooLate = !mayBeLate ? [] : await this.#published(ids.filter((id) => !known.has(id)))
      return { moved, tooLate, unknown }
    }
    return moveEvents(this.#query(), target, statuses, apply, options)
  }

  /** Those of these events that are published. */
  async #published(ids: readonly string[]): Promise<readonly string[]> {
    if (ids.length === 0) return []
    const where: Condition[] = [
      { column: 'id', op: 'in', values: ids },
      { column: 'status', op: 'eq', value: 'published' },
    ]
    const rows = await this.#admin.list({ where, order: [], limit: null, offset: 0, columns: ['id'] })
    return rows.flatMap(({ id }) => id ?? [])
  }

  async #moveOne(id: string, move: AdminMove, to: Status): Promise<Partial<OutboxEventColumns>> {
    const { moved, unknown } = await moveInPeace(this.#admin, [id], move)
    if (unknown.length > 0) {
      const message = `event ${id} is in the hands of a worker that did not answer in time; nothing was changed: try again`
      throw new BroadcasterError('EVENT_IN_HAND', message, { field: 'id', value: id })
    }
    const row = await this.load(id, COLUMN_NAMES)
    if (moved.length === 0 && row.status !== undefined) assertMove(row.status, to)
    return row
  }

  async #read(id: string, columns: readonly ColumnName[]): Promise<Partial<OutboxEventColumns> | undefined> {
    const where: Condition[] = [{ column: 'id', op: 'eq', value: id }]
    const [row] = await this.#admin.list({
      where,
      order: [],
      limit: 1,
      offset: 0,
      columns: withData(['id', ...columns]),
    })
    return row
  }
}
