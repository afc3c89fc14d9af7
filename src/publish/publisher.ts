import type { Backend } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import {
  type Catalogue,
  type CheckedData,
  checkStored,
  type DataOutput,
  type EventType,
  type NoCatalogue,
  type UnlistedEvents,
} from '../event/catalogue.ts'
import { type Problem, showValue, throwProblems } from '../problem.ts'
import type { NewOutboxEvent } from '../record/columns.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { RecordSource } from '../record/record-source.ts'
import { insertChunks } from '../store/insert-chunks.ts'
import { insertRows } from '../store/insert-rows.ts'
import type { Dialect, Row } from '../store/statement.ts'
import type { PublishStore } from '../store/store.ts'
import { tellingAdapter } from '../store/telling-adapter.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { configProblem, type Delivery, readDelivery } from './delivery.ts'
import { type Draft, readDraft } from './draft.ts'
import type { AnyEventInput, CloudEventInput, EventInput, PublishOptions } from './event-input.ts'
import { insertedColumns, newOutboxEvents } from './new-event.ts'
import { type Route, type Router, router, unknownBackend } from './routes.ts'

/** What a `Publisher` works with. */
export interface PublisherParts<Tx> {
  readonly store: PublishStore
  readonly dialect: Dialect
  readonly adapter: TransactionAdapter<Tx>
  readonly backends: ReadonlyMap<string, Backend>
  /** Where events go that no route takes; undefined = there is no backend. */
  readonly defaultBackend: () => string | undefined
  readonly routes: readonly Route[]
  readonly catalogue: Catalogue | undefined
  readonly unlistedEvents: UnlistedEvents
  readonly maxRetries: number
  readonly signals: SignalSource
  /** Gives the records that publish returns their `load`, `refresh` and the like. */
  readonly records?: RecordSource
  /** Called after an insert with what was inserted; the caller's transaction has not committed yet. */
  readonly onPublished?: (events: readonly OutboxEvent[]) => void
}

/** Events that were read and await their schemas. */
interface Prepared {
  readonly drafts: readonly Draft[]
  readonly checks: readonly (CheckedData | Promise<CheckedData>)[]
  readonly delivery: Delivery
  readonly problems: Problem[]
}

/**
 * Inserts outbox events on the caller's transaction. Everything is checked before the insert and reported in one
 * error. With synchronous schemas the statement is sent before `publish` first yields, so it keeps its place among
 * the caller's own.
 */
export class Publisher<
  Tx,
  Events extends Catalogue | NoCatalogue = NoCatalogue,
  Unlisted extends UnlistedEvents = 'refuse',
> {
  readonly #parts: PublisherParts<Tx>
  readonly #route: Router

  constructor(parts: PublisherParts<Tx>) {
    const { adapter, dialect, backends, defaultBackend, routes } = parts
    if (adapter.dialect !== dialect) {
      throw new BroadcasterError(
        'ADAPTER_MISMATCH',
        `the transaction adapter ${adapter.name} speaks ${adapter.dialect}, the store ${dialect}; use an adapter for ${dialect}`,
        { field: 'transaction', value: adapter.name },
      )
    }
    const name = defaultBackend()
    if (name !== undefined && !backends.has(name)) throw unknownBackend(name, backends.keys(), 'defaultBackend')
    this.#parts = { ...parts, adapter: tellingAdapter(adapter, parts.store.isThere) }
    this.#route = router(routes, backends.keys())
  }

  /**
   * Publishes one event. An event for several backends makes one outbox event for each: this returns the first,
   * `publishMany` returns all. `duplicate` is true on a record that was stored before, and nothing was inserted.
   */
  async publish<Type extends EventType<Events, Unlisted>>(
    tx: Tx,
    event: EventInput<Events, Type> | CloudEventInput<Type>,
    options: PublishOptions = {},
  ): Promise<OutboxEvent<DataOutput<Events, Type>>> {
    return firstOf(await this.#publish(tx, [event], options, ''))
  }

  /**
   * Publishes any number of events, in their order: with one statement unless they take more. Returns one outbox event for each event and
   * backend, in that order.
   */
  publishMany(
    tx: Tx,
    events: readonly (AnyEventInput<Events, Unlisted> | CloudEventInput)[],
    options: PublishOptions = {},
  ): Promise<readonly OutboxEvent[]> {
    return this.#publish(tx, events, options, 'events')
  }

  /** `publish` without a promise, where the database library is synchronous. Throws `INVALID_OPTION` where it is not. */
  publishSync<Type extends EventType<Events, Unlisted>>(
    tx: Tx,
    event: EventInput<Events, Type> | CloudEventInput<Type>,
    options: PublishOptions = {},
  ): OutboxEvent<DataOutput<Events, Type>> {
    return firstOf(this.#publishSync(tx, [event], options, ''))
  }

  /** `publishMany` without a promise. Throws `INVALID_OPTION` where the database library is not synchronous. */
  publishManySync(
    tx: Tx,
    events: readonly (AnyEventInput<Events, Unlisted> | CloudEventInput)[],
    options: PublishOptions = {},
  ): readonly OutboxEvent[] {
    return this.#publishSync(tx, events, options, 'events')
  }

  async #publish(
    tx: Tx,
    inputs: readonly unknown[],
    options: PublishOptions,
    name: string,
  ): Promise<readonly OutboxEvent[]> {
    const { adapter, store } = this.#parts
    adapter.check(tx)
    const prepared = this.#prepare(inputs, options, name)
    let checked = prepared.checks as readonly CheckedData[]
    if (prepared.checks.some((check) => check instanceof Promise)) {
      checked = await Promise.all(prepared.checks)
      adapter.check(tx)
    }
    const rows = this.#rows(prepared, checked)
    if (rows.length === 0) return []
    const inserted = await insertRows(store, adapter, tx, rows)
    const events = this.#records(rows, inserted)
    for (const [index, row] of rows.entries()) {
      if (events[index] !== undefined) continue
      events[index] = this.#duplicate(row, await adapter.execute(tx, store.findDuplicate(row)))
    }
    return this.#announce(events)
  }

  #publishSync(tx: Tx, inputs: readonly unknown[], options: PublishOptions, name: string): readonly OutboxEvent[] {
    const { adapter, store } = this.#parts
    if (!adapter.executeSync) {
      throw new BroadcasterError(
        'INVALID_OPTION',
        `publishSync needs a synchronous library; with ${adapter.name} use publish`,
      )
    }
    adapter.check(tx)
    const prepared = this.#prepare(inputs, options, name)
    const checked = prepared.checks.map((check, index) => {
      if (!(check instanceof Promise)) return check
      // Its outcome no longer matters, but a rejection must not end the process.
      check.catch(() => undefined)
      const type = prepared.drafts[index]?.type
      throw new BroadcasterError(
        'INVALID_OPTION',
        `the schema of ${type} is asynchronous; use publish instead of publishSync`,
        {
          field: 'type',
          value: type,
        },
      )
    })
    const rows = this.#rows(prepared, checked)
    if (rows.length === 0) return []
    const { executeSync } = adapter
    const inserted = insertChunks(store, rows).flatMap((some) => store.inserted(executeSync(tx, store.insert(some))))
    const events = this.#records(rows, inserted)
    for (const [index, row] of rows.entries()) {
      events[index] ??= this.#duplicate(row, adapter.executeSync(tx, store.findDuplicate(row)))
    }
    return this.#announce(events)
  }

  #prepare(inputs: readonly unknown[], options: PublishOptions, name: string): Prepared {
    const { backends, maxRetries, catalogue, unlistedEvents } = this.#parts
    const problems: Problem[] = []
    const delivery = readDelivery(options, backends, maxRetries, problems)
    const drafts: Draft[] = []
    if (!Array.isArray(inputs)) {
      const message = `are ${showValue(inputs)}; give a list of events`
      throwProblems('the publish', [{ code: 'INVALID_OPTION', field: name, value: inputs, message }])
    }
    for (const [index, input] of inputs.entries()) {
      const draft = readDraft(input, name === '' ? '' : `${name}[${index}].`, problems)
      if (draft) drafts.push(draft)
    }
    const checks = drafts.map(({ type, data, at }) => checkStored(catalogue, unlistedEvents, type, data, at))
    return { drafts, checks, delivery, problems }
  }

  #defaultBackend(): string {
    const name = this.#parts.defaultBackend()
    if (name !== undefined) return name
    const message = 'no backend is configured, so an event would go nowhere; give backends, such as { default: ... }'
    throw new BroadcasterError('UNKNOWN_BACKEND', message, { field: 'backends' })
  }

  #rows({ drafts, delivery, problems }: Prepared, checked: readonly CheckedData[]): readonly NewOutboxEvent[] {
    const { backends } = this.#parts
    const judged = new Set<string>()
    const rows = drafts.flatMap((draft, index) => {
      const check = checked[index]
      if (check) problems.push(...check.problems)
      const names = delivery.backends ?? this.#route(draft.type) ?? [this.#defaultBackend()]
      const to = names.flatMap((name): (readonly [string, Backend])[] => {
        const backend = backends.get(name)
        return backend ? [[name, backend]] : []
      })
      for (const [name, backend] of to) {
        const problem = judged.has(name) ? undefined : configProblem(backend, name, delivery.config)
        judged.add(name)
        if (problem) problems.push(problem)
      }
      return newOutboxEvents(check ? { ...draft, data: check.data } : draft, delivery, to, problems)
    })
    throwProblems(drafts.length === 1 ? 'the event' : 'the publish', problems)
    return rows
  }

  /** A record for each row that was inserted, in the order of the rows; undefined for the others. */
  #records(
    rows: readonly NewOutboxEvent[],
    inserted: ReturnType<PublishStore['inserted']>,
  ): (OutboxEvent | undefined)[] {
    const byId = new Map(inserted.map((row) => [row.id, row]))
    return rows.map((row) => {
      const added = byId.get(row.id)
      return added && new OutboxEvent(insertedColumns(row, added), this.#parts.records)
    })
  }

  #duplicate(row: NewOutboxEvent, found: readonly Row[]): OutboxEvent {
    const columns = this.#parts.store.found(found)
    if (columns) return new OutboxEvent(columns, this.#parts.records, true)
    throw new BroadcasterError(
      'STORE_BUSY',
      `the event ${row.eventId ?? row.id} of ${row.source} was stored by another transaction and is gone again; try the transaction again`,
      { field: 'id', value: row.eventId ?? row.id },
    )
  }

  #announce(events: readonly (OutboxEvent | undefined)[]): readonly OutboxEvent[] {
    const { signals, onPublished } = this.#parts
    const all = events.filter((event) => event !== undefined)
    const created = all.filter((event) => !event.duplicate)
    if (signals.has('event.created')) for (const event of created) signals.emit('event.created', { event })
    if (created.length > 0) onPublished?.(created)
    return all
  }
}

function firstOf<Data>(events: readonly OutboxEvent[]): OutboxEvent<Data> {
  // One event goes to one backend at least, or it was refused.
  return events[0] as OutboxEvent<Data>
}
