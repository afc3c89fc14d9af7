import type { BackendFinding } from '../backend/backend.ts'
import type { Subscription } from '../consumer/subscription.ts'
import { BroadcasterError } from '../errors.ts'
import { suggestion } from '../foundation/suggestion.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import type { RecordFilter } from '../record/record-source.ts'
import type { Store } from '../store/store.ts'
import type { ActedBy } from './actor.ts'
import { ConsumerDeadLetters } from './consumer-dead-letters.ts'
import type { Defined } from './defined.ts'
import type { EventQuery } from './event-query.ts'
import type { EventManager } from './events.ts'
import { findingsOf } from './findings.ts'
import type { MOVABLE } from './movable.ts'
import type { MoveTarget } from './move-events.ts'
import { type MoveEvents, type MovePreview, Moves, type RescheduleEvents } from './moves.ts'
import { type PausedBackend, Pauses } from './pauses.ts'
import {
  backendStatuses,
  type ConfiguredBackend,
  laneStatuses,
  type OpenBreaker,
  type OutboxStats,
  type OutboxStatus,
  openBreakersOf,
  statsOf,
  workerStatuses,
} from './status.ts'

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
  /** What consumers of this service read, by consumer. */
  readonly subscriptions: Readonly<Record<string, Subscription>>
}

/** What `status` looks at, and how long. */
export interface StatusOptions {
  /** A due event that nothing holds may have waited for so long before a finding says so, in milliseconds. Default 5 minutes. */
  readonly maxLag?: number | undefined
  /** Asks the backends, too, what a person should know of them: that goes over the network. Default: false. */
  readonly askBackends?: boolean | undefined
  /** How long each backend may take, in milliseconds. Default 5,000. */
  readonly timeout?: number | undefined
}

/** What is deleted by `purge`: older than so many milliseconds; null = none. */
export interface PurgeOptions {
  /** Published events, in milliseconds; null = none. */
  readonly published: number | null
  /** Failed and cancelled events, in milliseconds; null = none. */
  readonly failed: number | null
  /** Inbox entries, in milliseconds since they were handled; an event that comes again after that is handled again. Default: null. */
  readonly inbox?: number | null | undefined
  /** Ends the work after the statement that is running. Default: none. */
  readonly signal?: AbortSignal | undefined
}

const MAX_LAG = 300_000
const BACKEND_TIMEOUT = 5_000
/** Rows deleted in one statement, so that no clean-up holds locks or the event loop for long. */
const PURGE_LIMIT = 1_000

/**
 * `broadcaster.admin`: the one door for operators. What the command `broadcaster` does goes through it. Moves return what became
 * of each event, and leave alone those whose status does not allow the move.
 */
export class Admin {
  readonly #parts: AdminParts
  readonly #moves: Moves
  readonly #pauses: Pauses

  constructor(parts: AdminParts) {
    this.#parts = parts
    this.#moves = new Moves(parts.store.admin, parts.records)
    this.#pauses = new Pauses(parts.store.coordination, () => parts.backends().map(({ name }) => name))
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
  readonly requeue: MoveEvents = (target, options) => this.#moves.requeue(target, options)
  /** Sends published events again. */
  readonly replay: MoveEvents = (target, options) => this.#moves.replay(target, options)
  /** Lets the keys of failed events go on without them; they stay failed. */
  readonly skip: MoveEvents = (target, options) => this.#moves.skip(target, options)
  /** Gives up on events that are not published: they are never sent. */
  readonly cancel: MoveEvents = (target, options) => this.#moves.cancel(target, options)
  /** Moves the due time of events that are still to be delivered. Throws `INVALID_OPTION`. */
  readonly reschedule: RescheduleEvents = (target, at, options) => this.#moves.reschedule(target, at, options)
  /** Deletes events, whatever their status: those not yet delivered never are. One that was sent meanwhile is too late, and stays. */
  readonly delete: MoveEvents = (target, options) => this.#moves.delete(target, options)
  /** Counts what a move would change, and changes nothing. */
  preview<Chosen extends MoveTarget>(
    move: keyof typeof MOVABLE,
    target: Chosen & Defined<Chosen>,
  ): Promise<MovePreview> {
    return this.#moves.preview(move, target)
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

  /** The breakers that are open: of backends, and of the destinations behind them. */
  async openBreakers(): Promise<readonly OpenBreaker[]> {
    const { coordination } = this.#parts.store
    const names = this.#parts.backends().map(({ name }) => name)
    const behind = names.map(async (backend) =>
      (await coordination.destinations.list(backend)).map((one) => ({ backend, ...one })),
    )
    const [{ breakers }, destinations] = await Promise.all([coordination.look(names), Promise.all(behind)])
    return openBreakersOf({ breakers, destinations: destinations.flat() })
  }
  /**
   * Closes breakers that stay open although the place is well; its events are tried at once. Without a destination the
   * backend's own and those of all its destinations. Resolves with how many were closed.
   */
  async closeBreaker(backend: string, destination?: string): Promise<number> {
    const { breakers, destinations } = this.#parts.store.coordination
    const whole = destination === undefined && (await breakers.close(backend))
    const behind = await destinations.list(backend)
    const places = behind.filter((one) => destination === undefined || one.destination === destination)
    const closed = await Promise.all(places.map((one) => destinations.close(backend, one.destination)))
    return Number(whole) + closed.filter(Boolean).length
  }

  /** Deletes settled events and inbox entries of some age now, as workers do in time. Resolves with how many of both. */
  async purge({ published, failed, inbox = null, signal }: PurgeOptions): Promise<number> {
    const { store } = this.#parts
    const untilNone = async (deleteSome: () => Promise<number>): Promise<number> => {
      let all = 0
      for (let count = 1; count > 0 && signal?.aborted !== true; all += count) count = await deleteSome()
      return all
    }
    const limit = PURGE_LIMIT
    const events = await untilNone(() => store.retention.purge({ publishedFor: published, failedFor: failed, limit }))
    return events + (inbox === null ? 0 : await untilNone(() => store.inbox.prune({ age: inbox, limit })))
  }

  /**
   * What a consumer of this service gave up on: `list` and `requeue`, and `close` at the end. Consumers are known by the
   * Broadcaster's `subscriptions`. Throws `INVALID_OPTION` for one that is not there, or whose subscription cannot list them.
   */
  deadLetters(consumer: string): ConsumerDeadLetters {
    const { subscriptions } = this.#parts
    const refused = (message: string): BroadcasterError =>
      new BroadcasterError('INVALID_OPTION', message, { field: 'consumer', value: consumer })
    const subscription = Object.hasOwn(subscriptions, consumer) ? subscriptions[consumer] : undefined
    if (subscription === undefined) {
      const names = Object.keys(subscriptions)
      const known = names.length === 0 ? 'there are none' : `there are ${names.join(', ')}`
      throw refused(
        `subscriptions has no entry for the consumer ${consumer}${suggestion(consumer, names) || `; ${known}`}`,
      )
    }
    const place = subscription.deadLetterPlace?.({ consumer })
    if (place !== undefined) return new ConsumerDeadLetters(place)
    throw refused(
      `the dead letters of ${subscription.description} cannot be listed; its subscription has no deadLetterPlace`,
    )
  }

  /** Numbers by backend, a part of `status`. Changes nothing; none of it needs a scan of the table. */
  async stats(): Promise<OutboxStats> {
    return statsOf(await this.#parts.store.admin.look())
  }

  /**
   * How the outbox is, and what a person should know of it. Changes nothing: a role that may only read can ask. Numbers,
   * workers, lanes and breakers are of one snapshot of the database.
   */
  async status({
    maxLag = MAX_LAG,
    askBackends = false,
    timeout = BACKEND_TIMEOUT,
  }: StatusOptions = {}): Promise<OutboxStatus> {
    const { outbox, store } = this.#parts
    const configured = this.#parts.backends()
    const schema = await store.schema.status()
    const ready = schema.pending.length === 0
    const asked = askBackends && ready ? this.#parts.backendFindings(timeout) : {}
    const [look, inspected] = ready ? await Promise.all([store.admin.look(), this.#inspect()]) : []
    const seen = look && {
      backends: backendStatuses(look, configured),
      workers: workerStatuses(look),
      lanes: laneStatuses(look),
    }
    return {
      outbox,
      description: store.description,
      place: store.place ?? null,
      at: look?.now ?? null,
      schema: {
        version: schema.version,
        latest: schema.latest,
        lanes: schema.lanes,
        pending: schema.pending,
        foreign: schema.foreign ?? false,
        extraIndexes: inspected?.inspection.extraIndexes ?? [],
      },
      ...(seen ?? { backends: [], workers: [], lanes: [] }),
      blockedKeys: look?.blockedKeys ?? [],
      totalRows: look?.totalRows ?? 0,
      totalRowsIsEstimate: look?.totalRowsIsEstimate ?? false,
      findings: findingsOf({
        store: store.description,
        schema,
        ...(seen && { seen }),
        ...inspected,
        backendFindings: await asked,
        maxLag,
      }),
    }
  }

  async #inspect() {
    const before = Date.now()
    const inspection = await this.#parts.store.schema.inspect?.()
    if (inspection === undefined) return undefined
    // The database looked at its clock at some moment between the two, not in their middle: a connection may have been opened first.
    const [now, after] = [inspection.now.getTime(), Date.now()]
    return { inspection, clockAhead: Math.min(now - before, 0) + Math.max(now - after, 0) }
  }
}
