import type { BackendFinding } from '../backend/backend.ts'
import type { Subscription } from '../consumer/subscription.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import type { RecordFilter } from '../record/record-source.ts'
import type { ResolvedRetention } from '../retention/retention-options.ts'
import type { OutageEntry } from '../store/history-store.ts'
import type { KeyInLane, KeyWaits } from '../store/key-waits.ts'
import type { Store } from '../store/store.ts'
import type { TableSize } from '../store/table-sizes.ts'
import type { ActedBy } from './actor.ts'
import { Audit, type AuditEntry, type ListAuditOptions } from './audit-log.ts'
import { type ActOnEvents, AuditedMoves, type ReplayEvents, type RescheduleByOperator } from './audited-moves.ts'
import { Operations } from './background-operations.ts'
import type { ConsumerDeadLetters } from './consumer-dead-letters.ts'
import { type CorrectEvent, Corrections, type Publishing } from './corrections.ts'
import type { Defined } from './defined.ts'
import type { EventQuery } from './event-query.ts'
import type { EventManager } from './events.ts'
import type { Flow } from './flow.ts'
import { type ConsumerEntry, consumersIn, deadLettersOf } from './known-consumers.ts'
import { type BlockedKeysPage, blockedKeysOf, type ListBlockedKeysOptions } from './list-blocked-keys.ts'
import { type InboxPage, inboxPage, type ListInboxOptions } from './list-inbox.ts'
import type { MOVABLE } from './movable.ts'
import type { MoveTarget } from './move-events.ts'
import { type MovePreview, Moves } from './moves.ts'
import { type FlowOptions, type ListOutagesOptions, OutboxHistory } from './outbox-history.ts'
import { type PausedBackend, Pauses } from './pauses.ts'
import { checkPurge, type PurgeOptions, purge } from './purge-now.ts'
import { readStatus } from './read-status.ts'
import { Breakers } from './shared-breakers.ts'
import { type ConfiguredBackend, type OpenBreaker, type OutboxStats, type OutboxStatus, statsOf } from './status.ts'
import type { StatusOptions } from './status-options.ts'
import { type PublishTest, type TestEventOptions, TestEvents } from './test-events.ts'
import { Undo, type Undone, type UndoOptions } from './undo-action.ts'

/** What the door for operators opens to. */
export interface AdminParts {
  /** The name of the Broadcaster. */
  readonly outbox: string
  readonly store: Store
  readonly records: EventManager
  /** The backends of this Broadcaster, as they are now. */
  backends(): readonly ConfiguredBackend[]
  /** What they say themselves. */
  backendFindings(timeout: number): Promise<Readonly<Record<string, readonly BackendFinding[]>>>
  /** How this Broadcaster publishes. */
  readonly publisher: Publishing
  readonly publishTest: PublishTest
  /** Where its workers archive what they delete. Default: nowhere. */
  readonly archive?: PurgeOptions['archive']
  /** What its workers delete, and when; false = nothing. */
  readonly retention: ResolvedRetention | false
  /** What consumers of this service read, by consumer. */
  readonly subscriptions: Readonly<Record<string, Subscription>>
}

/**
 * `broadcaster.admin`: the one door for operators. What the command `broadcaster` does goes through it. Moves return the outcome
 * of each event, and leave alone those whose status does not allow the move.
 */
export class Admin {
  readonly #parts: AdminParts
  readonly #plainMoves: Moves
  readonly #audit: Audit
  readonly #moves: AuditedMoves
  readonly #pauses: Pauses
  readonly #breakers: Breakers
  readonly #corrections: Corrections
  readonly #testEvents: TestEvents
  readonly #undo: Undo
  readonly #history: OutboxHistory
  /** What is done to all events that match, in the background, by any worker: begun, listed, paused and ended here. */
  readonly operations: Operations

  constructor(parts: AdminParts) {
    this.#parts = parts
    const { store, records } = parts
    const names = (): readonly string[] => parts.backends().map(({ name }) => name)
    this.#plainMoves = new Moves(store.admin, records)
    this.#audit = new Audit(store.audit)
    this.#moves = new AuditedMoves(this.#plainMoves, this.#audit, names)
    this.#pauses = new Pauses(store.coordination, names, this.#audit)
    this.#breakers = new Breakers(store, names, this.#audit)
    this.#corrections = new Corrections(store.admin, records, parts.publisher, this.#audit)
    this.#testEvents = new TestEvents(parts.publishTest, names, this.#audit)
    this.operations = new Operations(store.operations, store.admin, this.#audit, names)
    this.#history = new OutboxHistory(store.history)
    const { admin, coordination } = store
    this.#undo = new Undo({ admin, coordination, operations: this.operations, audit: this.#audit })
  }

  /** The events that match, as a query: order, cut, count or walk through it. */
  filter<Filter extends RecordFilter>(filter?: Filter & Defined<Filter>): EventQuery {
    return this.#parts.records.filter<Filter>(filter)
  }
  /** The only event that matches, by filter or id. Throws `DoesNotExist` or `MultipleObjectsReturned`. */
  get<Filter extends RecordFilter | string>(filter: Filter & Defined<Filter>): Promise<OutboxEvent> {
    return this.#parts.records.get<Filter>(filter)
  }
  /** How many events match. Reads what it counts. */
  async count<Filter extends RecordFilter>(filter?: Filter & Defined<Filter>): Promise<number> {
    return this.#parts.records.filter<Filter>(filter).count()
  }
  /** Events with this id or event id, or with this text in their type, source or subject; case does not count. */
  search(text: string): EventQuery {
    return this.#parts.records.search(text)
  }

  /** Makes failed, cancelled and retrying events pending again, due now, with all their retries; releases their keys. */
  readonly requeue: ActOnEvents = (target, options) => this.#moves.move('requeue', target, options)
  /**
   * Sends published events again; `to`: to this backend, which gets a row for each, or has its own sent again. Id and source stay, so
   * consumers that handle each event once leave them out. Throws `UNKNOWN_BACKEND`.
   */
  readonly replay: ReplayEvents = (target, options) => this.#moves.replay(target, options)
  /** Lets the keys of failed events go on without them; they stay failed. */
  readonly skip: ActOnEvents = (target, options) => this.#moves.move('skip', target, options)
  /** Gives up on events that are not published: they are never sent. */
  readonly cancel: ActOnEvents = (target, options) => this.#moves.move('cancel', target, options)
  /** Moves the due time of events that are still to be delivered. Throws `INVALID_OPTION`. */
  readonly reschedule: RescheduleByOperator = (target, at, options) => this.#moves.reschedule(target, at, options)
  /** Deletes events, whatever their status: those not yet delivered never are. One that was sent meanwhile is too late, and stays. */
  readonly delete: ActOnEvents = (target, options) => this.#moves.move('delete', target, options)
  /**
   * Puts a corrected event in the place of one that was not delivered, which is cancelled in the same transaction: it is sent where
   * that one would have been. It has a new id, the extension `correctionof` with the id of the old one, and is checked as a publish
   * is. Resolves with the new event. Throws `DOES_NOT_EXIST`, `ILLEGAL_STATUS_MOVE` (it was sent, or cancelled), `EVENT_IN_HAND`, and
   * what `publish` throws.
   */
  readonly correct: CorrectEvent = (id, changes, options) => this.#corrections.correct(id, changes, options)
  /** Counts what a move would change, and changes nothing. */
  preview<Chosen extends MoveTarget>(
    move: keyof typeof MOVABLE,
    target: Chosen & Defined<Chosen>,
  ): Promise<MovePreview> {
    return this.#plainMoves.preview(move, target)
  }

  /**
   * Pauses a backend for all workers, each of which notices within a second: nothing is sent there, its events wait in the table.
   * What is in flight ends as it ends. Resolves with whether this call paused it; false = it was paused already, and stays so.
   * Throws `UNKNOWN_BACKEND`, `INVALID_OPTION`.
   */
  pause(backend: string, options?: ActedBy): Promise<boolean> {
    return this.#pauses.pause(backend, options)
  }
  /** Ends a pause: its events go out in the order of their keys. Resolves with whether there was one. Throws `UNKNOWN_BACKEND`. */
  resume(backend: string, options?: ActedBy): Promise<boolean> {
    return this.#pauses.resume(backend, options)
  }
  /** The configured backends that are paused: by whom, why and since when. */
  pauses(): Promise<readonly PausedBackend[]> {
    return this.#pauses.list()
  }

  /**
   * Publishes an event of the type `ts-broadcaster.test` to a backend, the way every event goes, without a key and with one attempt.
   * Resolves with its id: `get` tells what became of it. Throws `UNKNOWN_BACKEND`, and what `publish` throws.
   */
  testEvent(backend: string, options?: TestEventOptions): Promise<string> {
    return this.#testEvents.send(backend, options)
  }

  /** The breakers that are open: of backends, and of the destinations behind them. */
  openBreakers(): Promise<readonly OpenBreaker[]> {
    return this.#breakers.open()
  }
  /**
   * Closes breakers that stay open although the destination works; events of a backend are tried at once, those of a destination
   * within two minutes. Without a destination all of the backend's. Resolves with how many were closed.
   */
  closeBreaker(backend: string, destination?: string, acted: ActedBy = {}): Promise<number> {
    return this.#breakers.close(backend, destination, acted)
  }

  /** How many events were stored, delivered, retried and given up, and how long it took, as workers wrote it down. Throws `INVALID_OPTION`. */
  flow(options?: FlowOptions): Promise<Flow> {
    return this.#history.flow(options)
  }
  /** When breakers opened, were half open and closed, the last 200 of each backend: the newest first. Throws `INVALID_OPTION`. */
  outages(options?: ListOutagesOptions): Promise<readonly OutageEntry[]> {
    return this.#history.outages(options)
  }

  /**
   * Deletes settled events and inbox entries of some age now, as workers do in time. Resolves with how many of both. Throws
   * `INVALID_OPTION`, and `ARCHIVE_FAILED` where an archive fails: what it had before that is deleted.
   */
  async purge(options: PurgeOptions): Promise<number> {
    checkPurge(options)
    const { by, reason, signal, archive = this.#parts.archive, ...ages } = options
    let deleted = 0
    // Where else than usual they were kept, or that they were not.
    const place = typeof archive === 'function' ? 'a function' : archive
    const to = { ...ages, ...(options.archive !== undefined && { archive: place }) }
    await this.#audit.write(
      { what: 'purge', target: { to }, by, reason },
      () => purge(this.#parts.store, { ...options, archive }, (count) => void (deleted += count)),
      () => ({ moved: deleted }),
      () => signal?.aborted === true,
    )
    return deleted
  }

  /** What operators did through this door, in any process: the newest first. */
  audit(options?: ListAuditOptions): Promise<readonly AuditEntry[]> {
    return this.#audit.list(options)
  }

  /**
   * Undoes a `requeue`, a `cancel` or a `pause`, by the number of its entry in the audit, as far as nothing has become of it: events that
   * were not tried since are what they were, and one that blocked its key blocks it again. Throws `DOES_NOT_EXIST`, and
   * `ILLEGAL_STATUS_MOVE` for what cannot be undone and for an operation that has not ended.
   */
  undo(entry: number, options?: UndoOptions): Promise<Undone> {
    return this.#undo.undo(entry, options)
  }

  /** The consumers of this service, and whether their dead letters can be listed. Asks no server. */
  consumers(): readonly ConsumerEntry[] {
    return consumersIn(this.#parts.subscriptions)
  }

  /**
   * What a consumer of this service gave up on: `list` and `requeue`, and `close` at the end. Consumers are known by the
   * Broadcaster's `subscriptions`. Throws `INVALID_OPTION` for one that is not there, or whose subscription cannot list them.
   */
  deadLetters(consumer: string): ConsumerDeadLetters {
    return deadLettersOf(consumer, this.#parts.subscriptions, this.#audit)
  }

  /**
   * How many events of each of these keys are not delivered, in their order.
   * @internal
   */
  waitingBehind(keys: readonly KeyInLane[], rows: number): Promise<readonly KeyWaits[]> {
    return this.#parts.store.admin.waiting(keys, rows)
  }

  /**
   * All keys that failed events block, page by page; `status` names the first 100 of each backend. Reads a bounded number of rows for
   * each page. Throws `INVALID_OPTION`.
   */
  async blockedKeys(options: ListBlockedKeysOptions = {}): Promise<BlockedKeysPage> {
    const { admin } = this.#parts.store
    const backends = options.backends ?? (await admin.look()).backends.map(({ backend }) => backend)
    return blockedKeysOf(admin, backends, options)
  }

  /** What consumers have handled through the inbox, the newest first, page by page. Throws `INVALID_OPTION`. */
  inbox(options: ListInboxOptions = {}): Promise<InboxPage> {
    return inboxPage(this.#parts.store.inbox, options)
  }

  /** What the tables take up, the largest first; null = not known: there is no disk, or the role may not ask. Reads no table. */
  async storage(): Promise<readonly TableSize[] | null> {
    return (await this.#parts.store.schema.sizes?.()) ?? null
  }

  /** Numbers by backend, a part of `status`. Changes nothing; none of it needs a scan of the table. */
  async stats(): Promise<OutboxStats> {
    return statsOf(await this.#parts.store.admin.look())
  }

  /**
   * How the outbox is, and what a person should know of it. Changes nothing: a role that may only read can ask. Numbers,
   * workers, lanes and breakers are of one snapshot of the database.
   */
  status(options?: StatusOptions): Promise<OutboxStatus> {
    return readStatus(this.#parts, options)
  }
}
