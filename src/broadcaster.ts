import { Admin } from './admin/admin.ts'
import { EventManager } from './admin/events.ts'
import { OperationRunner } from './admin/operation-runner.ts'
import { OutboxHealth } from './admin/outbox-health.ts'
import type { OutboxStatus } from './admin/status.ts'
import type { StatusOptions } from './admin/status-options.ts'
import { askEach } from './backend/ask-each.ts'
import type { Backend, BackendFinding, BackendHealth } from './backend/backend.ts'
import { checkHealth } from './backend/check-health.ts'
import { lookInto } from './backend/look-into.ts'
import { type BroadcasterOptions, backendProblems, checkOptions } from './broadcaster-options.ts'
import { BroadcasterError } from './errors.ts'
import type { Catalogue, DataOutput, EventType, NoCatalogue, UnlistedEvents } from './event/catalogue.ts'
import { closeWithin } from './foundation/close-within.ts'
import { hold, letGo } from './foundation/holders.ts'
import { throwProblems } from './foundation/problem.ts'
import { DEFAULT_RETRIES } from './foundation/retry-policy.ts'
import { withoutUndefined } from './foundation/without-undefined.ts'
import type { Health, HealthOptions, Liveness } from './health/health.ts'
import { Inbox } from './inbox/inbox.ts'
import type { AnyEventInput, CloudEventInput, CreateInput, EventInput, PublishOptions } from './publish/event-input.ts'
import { Publisher } from './publish/publisher.ts'
import type { OutboxEvent } from './record/outbox-event.ts'
import type { SendShare } from './relay/send-slots.ts'
import { Worker } from './relay/worker.ts'
import { retentionOf, type WorkerOptions } from './relay/worker-options.ts'
import type { Store } from './store/store.ts'
import type { TransactionAdapter } from './store/transaction-adapter.ts'
import { broadcasterClosed, untilClosed } from './store/until-closed.ts'
import { resolveLogger } from './telemetry/logger.ts'
import { SignalSource } from './telemetry/signals.ts'

/**
 * An outbox: publish events inside your transactions, and deliver them with workers in this process or another.
 *
 * @example
 * const broadcaster = new Broadcaster({ store: postgres({ pool }), backends: { default: redisStreams({ url }) } })
 * await broadcaster.transaction(async (tx) => {
 *   await tx.query('INSERT INTO orders (id) VALUES ($1)', [id])
 *   await broadcaster.publish(tx, { type: 'order.created', source: '/orders', data: { id }, partitionKey: id })
 * })
 */
export class Broadcaster<
  StoreTx = unknown,
  Tx = StoreTx,
  Events extends Catalogue | NoCatalogue = NoCatalogue,
  Unlisted extends UnlistedEvents = 'refuse',
> {
  /** What signals call this outbox. Default: the store's description. */
  readonly name: string
  /** The store it was given. */
  readonly store: Store<StoreTx>
  /** The stored events: `get`, `filter`, `count`, `requeue` and so on. */
  readonly events: EventManager<[event: CreateInput<Events, Unlisted>, options?: PublishOptions]>
  /** What operators do: look, requeue, skip, cancel, replay, close breakers. */
  readonly admin: Admin
  /** Handles each event once, in transactions of the same library: for consumers that share this database. */
  readonly inbox: Inbox<Tx>
  readonly #options: BroadcasterOptions<StoreTx, Tx, Events, Unlisted>
  readonly #backends: Map<string, Backend>
  readonly #signals: SignalSource
  readonly #publisher: Publisher<Tx>
  readonly #workers = new Set<Worker>()
  readonly #health: OutboxHealth
  /** The store for all but the workers; `CLOSED` once those have stopped, whose handlers may publish until then. */
  readonly #open: Store<StoreTx>
  #isClosed = false
  #closing: Promise<void> | undefined

  /** Throws `INVALID_OPTION`, `UNKNOWN_BACKEND` or `ADAPTER_MISMATCH`. Opens nothing. */
  constructor(options: BroadcasterOptions<StoreTx, Tx, Events, Unlisted>) {
    checkOptions(options)
    this.#options = options
    this.#backends = new Map(Object.entries(options.backends ?? {}))
    this.store = options.store
    this.#open = untilClosed(options.store, () => this.#isClosed)
    this.name = options.name ?? options.store.description
    this.#signals = new SignalSource(this.name, resolveLogger('Broadcaster', options.logger))
    const create = (event: unknown, how?: PublishOptions, unlisted?: UnlistedEvents): Promise<OutboxEvent> =>
      this.transaction((tx) => this.#makePublisher(options.store.transactionAdapter, unlisted).publish(tx, event, how))
    this.events = new EventManager(this.#open.admin, (event, how) => create(event, how))
    // Without an adapter of the caller's, Tx is the store's own transaction type.
    const adapter = options.transaction ?? (options.store.transactionAdapter as unknown as TransactionAdapter<Tx>)
    this.#publisher = this.#makePublisher(adapter)
    this.admin = new Admin({
      outbox: this.name,
      store: this.#open,
      records: this.events,
      backends: () =>
        Array.from(this.#backends, ([name, { description = null, rate }]) => ({ name, description, rate })),
      backendFindings: (timeout) => this.getBackendFindings({ timeout }),
      subscriptions: options.subscriptions ?? {},
      publisher: this.#publisher,
      publishTest: (event, how) => create(event, how, 'allow'),
      retention: retentionOf(options.worker),
      archive: options.worker?.retention ? options.worker.retention.archive : undefined,
    })
    this.inbox = new Inbox<Tx>({ store: this.#open, transaction: adapter })
    const isClosed = (): boolean => this.#closing !== undefined
    this.#health = new OutboxHealth({ store: this.store, backends: this.#backends, workers: this.#workers, isClosed })
    for (const resource of [options.store, ...this.#backends.values()]) hold(resource, this)
  }

  /**
   * Inserts one event on `tx`, your own open transaction: it is delivered if and only if that commits. An event for
   * several backends makes one outbox event for each; this resolves with the first. With an `id` of your own,
   * publishing twice stores it once, and the record says `duplicate: true`.
   *
   * Throws before anything is written: `INVALID_EVENT`, `INVALID_DATA`, `EVENT_TOO_LARGE`, `UNKNOWN_BACKEND`,
   * `UNKNOWN_EVENT_TYPE`, `NOT_A_TRANSACTION`, `TRANSACTION_ENDED`, `TRANSACTION_ABORTED`.
   */
  publish<Type extends EventType<Events, Unlisted>>(
    tx: Tx,
    event: EventInput<Events, Type> | CloudEventInput<Type>,
    options?: PublishOptions,
  ): Promise<OutboxEvent<DataOutput<Events, Type>>> {
    return this.#publisher.publish(tx, event, options)
  }

  /**
   * Inserts any number of events, in their order, with one statement unless they take more (16 MB). Resolves with one
   * outbox event for each event and backend, in that order.
   */
  publishMany(
    tx: Tx,
    events: readonly (AnyEventInput<Events, Unlisted> | CloudEventInput)[],
    options?: PublishOptions,
  ): Promise<readonly OutboxEvent[]> {
    return this.#publisher.publishMany(tx, events, options)
  }

  /**
   * `publish` without a promise, for synchronous libraries (`node:sqlite`, better-sqlite3). Throws `INVALID_OPTION`
   * where the library is not synchronous.
   */
  publishSync<Type extends EventType<Events, Unlisted>>(
    tx: Tx,
    event: EventInput<Events, Type> | CloudEventInput<Type>,
    options?: PublishOptions,
  ): OutboxEvent<DataOutput<Events, Type>> {
    return this.#publisher.publishSync(tx, event, options)
  }

  /** `publishMany` without a promise. Throws `INVALID_OPTION` where the library is not synchronous. */
  publishManySync(
    tx: Tx,
    events: readonly (AnyEventInput<Events, Unlisted> | CloudEventInput)[],
    options?: PublishOptions,
  ): readonly OutboxEvent[] {
    return this.#publisher.publishManySync(tx, events, options)
  }

  /**
   * Runs `work` in a transaction of the store's own client, for people without an ORM, and wakes this process's
   * workers as soon as it has committed. Rolls back when `work` throws.
   */
  async transaction<T>(work: (tx: StoreTx) => Promise<T>): Promise<T> {
    const result = await this.#open.transaction(work)
    this.wake()
    return result
  }

  /** Tells the workers of this process that something was committed. They find out by themselves; this is sooner. */
  wake(): void {
    for (const worker of this.#workers) worker.wake()
  }

  /** Adds a backend under a name. Throws `INVALID_OPTION` when the name is taken. Earlier workers do not serve it. */
  registerBackend(name: string, backend: Backend): void {
    throwProblems('the backend', backendProblems(name, backend))
    if (this.#backends.has(name)) {
      const message = `backend '${name}' is configured already; choose another name`
      throw new BroadcasterError('INVALID_OPTION', message, { field: 'name', value: name })
    }
    this.#backends.set(name, backend)
    hold(backend, this)
  }

  /** A worker, not yet started; `options` override the constructor's. `close` stops it. `share` is a `WorkerPool`'s. */
  worker(options: WorkerOptions = {}, share?: SendShare): Worker {
    if (this.#backends.size === 0) {
      const message = 'backends is empty, so a worker has nothing to do; give at least one, such as { default: ... }'
      throw new BroadcasterError('INVALID_OPTION', message, { field: 'backends', value: this.#options.backends })
    }
    const worker = new Worker(
      {
        store: this.store,
        backends: this.#backends,
        defaultBackend: this.#defaultBackend() ?? '',
        records: this.events,
        signals: this.#signals,
        hooks: this.#options.hooks,
        ...{ share, background: new OperationRunner(this.store), isClosed: () => this.#closing !== undefined },
      },
      // What is undefined here was left out: the constructor's option then counts.
      { ...this.#options.worker, ...withoutUndefined(options) },
    )
    this.#workers.add(worker)
    return worker
  }

  /**
   * For cron jobs and serverless functions: takes the free lanes, delivers until nothing is due, and gives them back.
   * `limit`: ends after this many events; the next call goes on there. Default: none, so it goes on while events come
   * in as fast as they are delivered. Resolves with the number published; `close` ends it early.
   */
  async processPendingEvents(options: { readonly limit?: number | undefined } & WorkerOptions = {}): Promise<number> {
    if (this.#closing !== undefined) throw broadcasterClosed()
    const { limit, ...workerOptions } = options
    const worker = this.worker(workerOptions)
    try {
      return await worker.drain(limit)
    } finally {
      this.#workers.delete(worker)
    }
  }

  /** What waits and what is stuck for each backend, workers, breakers, findings ... It only reads, from one snapshot of the database. */
  status(options?: StatusOptions): Promise<OutboxStatus> {
    return this.admin.status(options)
  }

  /** Whether the loops of the workers made here turn: known at once, without asking a server. */
  liveness(): Liveness {
    return this.#health.liveness()
  }

  /**
   * The health of this process. Ready: the schema is current, the database answers, and where workers were made here,
   * one is at work and a backend that they serve is healthy. Findings do not count. Rejects only with `INVALID_OPTION`.
   */
  health(options?: HealthOptions): Promise<Health> {
    return this.#health.health(options)
  }

  /** Checks all backends at the same time, each for at most `timeout` ms (default 5,000). Never rejects. */
  async getBackendHealth(
    options: { readonly timeout?: number | undefined } = {},
  ): Promise<Readonly<Record<string, BackendHealth>>> {
    return askEach(this.#backends, (backend) => checkHealth(backend, options.timeout ?? 5_000))
  }

  /** The backends' findings, by name; `broadcaster doctor` prints them. Never rejects. */
  async getBackendFindings(
    options: { readonly timeout?: number | undefined } = {},
  ): Promise<Readonly<Record<string, readonly BackendFinding[]>>> {
    return askEach(this.#backends, (backend) => lookInto(backend, options.timeout ?? 5_000))
  }

  /**
   * Stops the workers made here and running drains, then closes backends and store, 10 s for each: what takes longer is
   * left to itself, and this rejects with `CLOSE_TIMEOUT`. What was injected stays open, and what another Broadcaster
   * has too, until the last of them closes. From then on every call fails with `CLOSED`. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** For `await using`: the same as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    const workers = await Promise.allSettled(Array.from(this.#workers, (worker) => worker.stop()))
    this.#isClosed = true
    const backends = await Promise.allSettled(
      Array.from(this.#backends, ([name, backend]) => closeWithin(`the backend "${name}"`, () => letGo(backend, this))),
    )
    // Closed last, whatever happened to the backends: the end of a backend's work may need it.
    const store = await Promise.allSettled([closeWithin(this.store.description, () => letGo(this.store, this))])
    for (const result of [...workers, ...backends, ...store]) if (result.status === 'rejected') throw result.reason
  }

  #defaultBackend(): string | undefined {
    return this.#options.defaultBackend ?? this.#backends.keys().next().value
  }

  #makePublisher<AnyTx>(adapter: TransactionAdapter<AnyTx>, unlisted?: UnlistedEvents): Publisher<AnyTx> {
    const { routes = [], events, hooks, unlistedEvents = 'refuse', maxRetries = DEFAULT_RETRIES } = this.#options
    return new Publisher({
      store: this.#open.publish,
      dialect: this.store.dialect,
      adapter,
      backends: this.#backends,
      defaultBackend: () => this.#defaultBackend(),
      routes,
      catalogue: events as Catalogue | undefined,
      unlistedEvents: unlisted ?? unlistedEvents,
      maxRetries,
      signals: this.#signals,
      hooks,
      records: this.events,
      // Not committed yet, but soon: workers of this process look more often for a moment.
      onPublished: () => this.wake(),
    })
  }
}
