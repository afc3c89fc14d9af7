import type { Backend } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import { type Catalogue, type CheckedData, checkStored, type UnlistedEvents } from '../event/catalogue.ts'
import { type Problem, showValue, throwProblems } from '../foundation/problem.ts'
import type { NewOutboxEvent } from '../record/columns.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { RecordSource } from '../record/record-source.ts'
import { settled, type WaitingProgram, type WaitTime } from '../store/program.ts'
import { ProgramRunner, runChecks } from '../store/program-runner.ts'
import type { Dialect } from '../store/statement.ts'
import type { PublishStore } from '../store/store.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { type Draft, readDraft } from './draft.ts'
import type { PublishOptions } from './event-input.ts'
import { draftEvent, type EncodedData, type PublishHooks, withAttributes, withEncoded } from './hooks.ts'
import { insertedColumns, newOutboxEvents } from './new-event.ts'
import { type CheckedPublishOptions, configProblem, readPublishOptions } from './publish-options.ts'
import { type Route, type Router, router, unknownBackend } from './routes.ts'

/** What a `Publisher` works with. */
export interface PublisherParts<Tx> {
  readonly store: PublishStore
  readonly dialect: Dialect
  readonly adapter: TransactionAdapter<Tx>
  readonly backends: ReadonlyMap<string, Backend>
  /** Where events go that match no route; undefined = there is no backend. */
  readonly defaultBackend: () => string | undefined
  readonly routes: readonly Route[]
  readonly catalogue: Catalogue | undefined
  readonly unlistedEvents: UnlistedEvents
  readonly maxRetries: number
  readonly signals: SignalSource
  /** Default: none. */
  readonly hooks?: PublishHooks | undefined
  /** Lets the records that `publish` returns `load`, `refresh` and the like. */
  readonly records?: RecordSource
  /** Called after an insert with what was inserted; the caller's transaction has not committed yet. */
  readonly onPublished?: (events: readonly OutboxEvent[]) => void
}

/** How long an asynchronous schema or `encode` may take, in ms: the caller's transaction is open meanwhile. */
const PATIENCE = 30_000

/** Events that were read and await their schemas. */
interface Prepared {
  readonly drafts: readonly Draft[]
  readonly checks: readonly (CheckedData | Promise<CheckedData>)[]
  readonly delivery: CheckedPublishOptions
  readonly problems: Problem[]
}

/**
 * Inserts outbox events on the caller's transaction. Everything is checked before the insert and reported in one error.
 * With synchronous schemas the statement is sent before `publish` first yields, so it keeps its place among the
 * caller's own. The methods of `Broadcaster` give it its types.
 */
export class Publisher<Tx> {
  readonly #parts: PublisherParts<Tx>
  readonly #runner: ProgramRunner<Tx>
  readonly #route: Router

  constructor(parts: PublisherParts<Tx>) {
    const { adapter, dialect, backends, defaultBackend, routes } = parts
    this.#runner = new ProgramRunner(adapter, dialect)
    const name = defaultBackend()
    if (name !== undefined && !backends.has(name)) throw unknownBackend(name, backends.keys(), 'defaultBackend')
    this.#parts = parts
    this.#route = router(routes, backends.keys())
  }

  async publish<Data = unknown>(tx: Tx, event: unknown, options: PublishOptions = {}): Promise<OutboxEvent<Data>> {
    return firstOf(await this.#runner.run(tx, this.#publish([event], options, '')))
  }

  publishMany(tx: Tx, events: readonly unknown[], options: PublishOptions = {}): Promise<readonly OutboxEvent[]> {
    return this.#runner.run(tx, this.#publish(events, options, 'events'))
  }

  publishSync<Data = unknown>(tx: Tx, event: unknown, options: PublishOptions = {}): OutboxEvent<Data> {
    return firstOf(this.#runner.runSync('publishSync', tx, this.#publish([event], options, '')))
  }

  publishManySync(tx: Tx, events: readonly unknown[], options: PublishOptions = {}): readonly OutboxEvent[] {
    return this.#runner.runSync('publishManySync', tx, this.#publish(events, options, 'events'))
  }

  /**
   * The row that `publish` would insert for one backend, with all of its checks and errors; inserts nothing. An empty
   * name is the default backend. `isStored`: the data comes from a row, so what a hook encoded is neither checked by a
   * schema nor encoded again.
   */
  async check(
    event: unknown,
    { backend, ...options }: PublishOptions & { readonly backend: string },
    isStored: boolean,
  ): Promise<NewOutboxEvent> {
    const isEncoded = isStored && this.#parts.hooks?.encode !== undefined
    const to = { ...options, backend: backend === '' ? this.#defaultBackend() : backend }
    const [row] = await runChecks(this.#check([event], to, '', isEncoded))
    return row as NewOutboxEvent
  }

  /** Reports a row that another component inserted and committed after `check`. */
  announce(event: OutboxEvent): void {
    this.#announce([event])
  }

  *#publish(inputs: readonly unknown[], options: PublishOptions, name: string): WaitingProgram<readonly OutboxEvent[]> {
    const rows = yield* this.#check(inputs, options, name)
    if (rows.length === 0) return []
    const { store, records } = this.#parts
    const added = new Map((yield* store.insert(rows)).map((row) => [row.id, row]))
    const events: OutboxEvent[] = []
    for (const row of rows) {
      const inserted = added.get(row.id)
      if (inserted) events.push(new OutboxEvent(insertedColumns(row, inserted), records))
      else events.push(yield* this.#duplicate(row))
    }
    this.#announce(events)
    return events
  }

  *#check(
    inputs: readonly unknown[],
    options: PublishOptions,
    name: string,
    isEncoded = false,
  ): WaitingProgram<readonly NewOutboxEvent[]> {
    const prepared = this.#prepare(inputs, options, name)
    const types = new Set(prepared.drafts.map(({ type }) => type))
    const limit = within(`the schema of ${[...types].slice(0, 3).join(', ')}`, 'events')
    const refuse = (n: number): BroadcasterError => {
      const type = prepared.drafts[n]?.type
      return isAsynchronous(`the schema of ${type}`, 'type', type)
    }
    const checked = yield* settled(prepared.checks, refuse, limit)
    if (isEncoded) {
      const types = checked.flatMap(({ problems }) => problems.filter(({ code }) => code === 'UNKNOWN_EVENT_TYPE'))
      return this.#rows(prepared.drafts, { ...prepared, problems: [...prepared.problems, ...types] })
    }
    for (const { problems } of checked) prepared.problems.push(...problems)
    const drafts = prepared.drafts.map((draft, n) => ({ ...draft, data: checked[n]?.data }))
    return this.#rows(yield* this.#encode(drafts, prepared), prepared)
  }

  #prepare(inputs: readonly unknown[], options: PublishOptions, name: string): Prepared {
    const { backends, maxRetries, catalogue, unlistedEvents } = this.#parts
    const problems: Problem[] = []
    const delivery = readPublishOptions(options, backends, maxRetries, problems)
    const drafts: Draft[] = []
    if (!Array.isArray(inputs)) {
      const message = `are ${showValue(inputs)}; give a list of events`
      throwProblems('the publish', [{ code: 'INVALID_OPTION', field: name, value: inputs, message }])
    }
    for (const [index, input] of inputs.entries()) {
      const draft = readDraft(input, name === '' ? '' : `${name}[${index}].`, problems)
      if (draft) drafts.push(this.#enrich(draft, delivery, problems))
    }
    const checks = drafts.map(({ type, data, at }) => checkStored(catalogue, unlistedEvents, type, data, at))
    return { drafts, checks, delivery, problems }
  }

  #enrich(draft: Draft, { partitionKey }: CheckedPublishOptions, problems: Problem[]): Draft {
    let enriched = draft
    // Hooks need not cope with an event that is refused.
    if (problems.length > 0) return draft
    for (const enrich of this.#parts.hooks?.enrich ?? []) {
      enriched = withAttributes(enriched, enrich(draftEvent(enriched, partitionKey)), problems)
    }
    return enriched
  }

  *#encode(drafts: readonly Draft[], { delivery, problems }: Prepared): WaitingProgram<readonly Draft[]> {
    const encode = this.#parts.hooks?.encode
    if (encode === undefined || problems.length > 0) return drafts
    const encoding = drafts.map((draft) => encode(draftEvent(draft, delivery.partitionKey)))
    const refuse = (): BroadcasterError => isAsynchronous('the hook encode', 'encode', undefined)
    const encoded = yield* settled(encoding, refuse, within('the hook encode', 'encode'))
    return drafts.map((draft, n) => withEncoded(draft, encoded[n] as EncodedData, problems))
  }

  #defaultBackend(): string {
    const name = this.#parts.defaultBackend()
    if (name !== undefined) return name
    const message = 'no backend is configured, so an event would go nowhere; give backends, such as { default: ... }'
    throw new BroadcasterError('UNKNOWN_BACKEND', message, { field: 'backends' })
  }

  #rows(drafts: readonly Draft[], { delivery, problems }: Prepared): readonly NewOutboxEvent[] {
    const { backends } = this.#parts
    const judged = new Set<string>()
    const rows = drafts.flatMap((draft) => {
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
      return newOutboxEvents(draft, delivery, to, problems)
    })
    throwProblems(drafts.length === 1 ? 'the event' : 'the publish', problems)
    return rows
  }

  *#duplicate(row: NewOutboxEvent): WaitingProgram<OutboxEvent> {
    const columns = yield* this.#parts.store.findDuplicate(row)
    if (columns) return new OutboxEvent(columns, this.#parts.records, true)
    throw new BroadcasterError(
      'STORE_BUSY',
      `the event ${row.eventId ?? row.id} of ${row.source} was stored by another transaction and is gone again; try the transaction again`,
      { field: 'id', value: row.eventId ?? row.id },
    )
  }

  #announce(events: readonly OutboxEvent[]): void {
    const { signals, onPublished } = this.#parts
    const created = events.filter((event) => !event.duplicate)
    if (signals.has('event.created')) for (const record of created) signals.emit('event.created', { record })
    if (created.length < events.length && signals.has('event.duplicate')) {
      for (const record of events) if (record.duplicate) signals.emit('event.duplicate', { record })
    }
    if (created.length > 0) onPublished?.(created)
  }
}

function within(what: string, field: string): WaitTime {
  const message = `${what} did not answer within ${PATIENCE} ms, and the transaction is open meanwhile; nothing was published`
  return { timeout: PATIENCE, late: () => new BroadcasterError('PUBLISH_TIMEOUT', message, { field }) }
}

/** The error where `publishSync` would have to wait. */
function isAsynchronous(what: string, field: string, value: unknown): BroadcasterError {
  const message = `${what} is asynchronous; use publish instead of publishSync`
  return new BroadcasterError('INVALID_OPTION', message, { field, value })
}

function firstOf<Data>(events: readonly OutboxEvent[]): OutboxEvent<Data> {
  // An event goes to at least one backend, or it was refused.
  return events[0] as OutboxEvent<Data>
}
