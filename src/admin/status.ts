import { resolveRate, type SendRate, showRate } from '../backend/rate.ts'
import type { BreakerRow, DestinationRow, LaneRow, LiveWorker } from '../store/coordination-store.ts'
import type { ExtraIndex } from '../store/inspection.ts'
import {
  type BackendCounts,
  type BlockedKey,
  backendCounts,
  COUNTED,
  type Count,
  NO_ROWS,
  type OutboxLook,
} from '../store/outbox-look.ts'
import type { MigrationStatus } from '../store/store.ts'
import type { Finding } from './finding.ts'

/** Numbers of one backend, for people and monitors. */
export interface BackendStats {
  /** The name of the backend. */
  readonly backend: string
  /** Events that are due and not delivered. */
  readonly waiting: Count
  /** Of those, what a blocked key, an open breaker, a pause or a destination that is down holds. */
  readonly stuck: Count
  /** Age of the oldest due event that nothing holds, in milliseconds; null = there is none. */
  readonly lag: number | null
  /** Events that are not due yet: scheduled for later, or between retries. */
  readonly scheduled: Count
  /** Undelivered events that were tried before. */
  readonly retrying: Count
  /** Events that failed for good. */
  readonly failed: Count
  /** Keys that a failed event blocks. */
  readonly blockedKeys: Count
}

/** Numbers by backend, and of the table. */
export interface OutboxStats {
  /** The numbers of each backend, by name. */
  readonly backends: readonly BackendStats[]
  /** All rows of the table, estimated from the database's statistics where counting would scan it. */
  readonly totalRows: number
  /** Whether `totalRows` is an estimate. */
  readonly totalRowsIsEstimate: boolean
}

/** A breaker that is open: of a whole backend, or of a place behind it. */
export interface OpenBreaker {
  /** The name of the backend. */
  readonly backend: string
  /** The place; empty = the whole backend. */
  readonly destination: string
  /** Milliseconds since it opened; null = not known. */
  readonly since: number | null
  /** Milliseconds until the next probe may start (<= 0: now). */
  readonly probeIn: number
  /** Text of the error that opened it. */
  readonly error: string
}

/** A backend that an operator paused: nothing is sent there until it is resumed. */
export interface Paused {
  /** Who paused it. */
  readonly by: string
  /** Why; empty = not said. */
  readonly reason: string
  /** Milliseconds since then. */
  readonly since: number
}

/** One backend: its numbers, and whether events can go there. */
export interface BackendStatus extends BackendStats {
  /** Whether this Broadcaster has it; one that is not configured here may be served by others. */
  readonly configured: boolean
  /** What it is, such as `redis-streams events at 127.0.0.1:6379`; null = it does not say. */
  readonly description: string | null
  /** How fast events go to it at most, such as `50/s`; null = it has no rate, or is not configured here. */
  readonly rate: string | null
  /** The breakers that are open: its own, and those of the destinations behind it. */
  readonly openBreakers: readonly OpenBreaker[]
  /** Who paused it, when and why; null = it is not paused. */
  readonly paused: Paused | null
}

/** A worker whose lease has not ended. */
export interface WorkerStatus extends LiveWorker {
  /** How many lanes it owns. */
  readonly lanes: number
}

/** A lane, and who owns it. */
export interface LaneStatus {
  /** The name of the backend. */
  readonly backend: string
  /** Its number, from 0. */
  readonly lane: number
  /** The id of the worker that owns it; null = none. */
  readonly owner: string | null
  /** Its owner died; a living worker takes it within a second. */
  readonly orphaned: boolean
  /** An operator holds it for a moment. */
  readonly held: boolean
}

/** How an outbox is: from one look at its database, which changes nothing. */
export interface OutboxStatus extends OutboxStats {
  /** The name of the Broadcaster. */
  readonly outbox: string
  /** What holds it: `postgres outbox.outbox_events`. */
  readonly description: string
  /** Host and database, where the store knows them. */
  readonly place: string | null
  /** When it was read, by the database's clock; null = it could not be, since the schema is missing or outdated. */
  readonly at: Date | null
  /** The version of the schema, and what is odd about it. */
  readonly schema: {
    /** The version in the database; 0 = no outbox there. */
    readonly version: number
    /** The newest version this package knows. */
    readonly latest: number
    readonly lanes: number | null
    readonly pending: MigrationStatus['pending']
    /** The events table is there, and not ours: `migrate` takes it over. */
    readonly foreign: boolean
    readonly extraIndexes: readonly ExtraIndex[]
  }
  /** Each backend: its numbers, and whether events can go there. */
  readonly backends: readonly BackendStatus[]
  /** The workers whose lease has not ended. */
  readonly workers: readonly WorkerStatus[]
  /** The lanes that were ever owned, and who owns them now. */
  readonly lanes: readonly LaneStatus[]
  /** Keys that failed events block, at most 100 of each backend; `BackendStats.blockedKeys` counts them. */
  readonly blockedKeys: readonly BlockedKey[]
  /** What a person should know, the same as `broadcaster doctor` prints. */
  readonly findings: readonly Finding[]
}

/** What a backend of this Broadcaster is. */
export interface ConfiguredBackend {
  readonly name: string
  readonly description: string | null
  /** Default: it has none. */
  readonly rate?: SendRate | undefined
}

/** The numbers of all backends. Pure. */
export function statsOf(look: OutboxLook): OutboxStats {
  const open = openBreakersOf(look)
  return {
    backends: look.backends.map((counts) => backendStats(counts, open, pausedIn(look, counts.backend))),
    totalRows: look.totalRows,
    totalRowsIsEstimate: look.totalRowsIsEstimate,
  }
}

/** All breakers that are open, those of the places behind backends among them. Pure. */
export function openBreakersOf(look: {
  readonly breakers: readonly BreakerRow[]
  readonly destinations: readonly (DestinationRow & { readonly backend: string })[]
}): readonly OpenBreaker[] {
  return [
    ...look.breakers
      .filter(({ open }) => open)
      .map(({ backend, since, probeIn, error }) => ({ backend, destination: '', since, probeIn, error })),
    ...look.destinations,
  ]
}

/** The backends that events or workers name, and those that are configured and nobody has named yet. Pure. */
export function backendStatuses(look: OutboxLook, configured: readonly ConfiguredBackend[]): readonly BackendStatus[] {
  const open = openBreakersOf(look)
  const known = new Set(look.backends.map(({ backend }) => backend))
  const unknown = configured.filter(({ name }) => !known.has(name)).map(({ name }) => backendCounts(name, NO_ROWS))
  return [...look.backends, ...unknown].map((counts) => {
    const { backend } = counts
    const own = configured.find(({ name }) => name === backend)
    const paused = pausedIn(look, backend)
    const rate = resolveRate(own?.rate)
    return {
      ...backendStats(counts, open, paused),
      configured: own !== undefined,
      description: own?.description ?? null,
      rate: rate === undefined ? null : showRate(rate),
      openBreakers: open.filter((one) => one.backend === backend),
      paused,
    }
  })
}

function pausedIn({ breakers }: Pick<OutboxLook, 'breakers'>, name: string): Paused | null {
  return breakers.find(({ backend }) => backend === name)?.paused ?? null
}

/** Pure. */
export function workerStatuses({ workers, lanes }: OutboxLook): readonly WorkerStatus[] {
  return workers.map((worker) => ({ ...worker, lanes: lanes.filter(({ owner }) => owner === worker.id).length }))
}

/** Pure. */
export function laneStatuses({ workers, lanes }: OutboxLook): readonly LaneStatus[] {
  const living = new Set(workers.map(({ id }) => id))
  return lanes.map(({ backend, lane, owner, holdLeft }: LaneRow) => ({
    backend,
    lane,
    owner: owner !== null && living.has(owner) ? owner : null,
    orphaned: owner !== null && !living.has(owner),
    held: holdLeft !== null && holdLeft > 0,
  }))
}

/**
 * What an open breaker or a pause holds is all that waits; a destination that is down holds what is parked for it, and that is not told
 * from the few events which wait behind a retry of their key.
 */
function backendStats(counts: BackendCounts, breakers: readonly OpenBreaker[], paused: Paused | null): BackendStats {
  const { backend, ready, delayed, blocked, scheduled, retrying, failed, blockedKeys, oldestReadyAge } = counts
  const own = breakers.filter((one) => one.backend === backend)
  const isHeld = paused !== null || own.some(({ destination }) => destination === '')
  const waiting = sum(ready, delayed, blocked)
  return {
    backend,
    waiting,
    stuck: isHeld ? waiting : own.length > 0 ? sum(delayed, blocked) : blocked,
    lag: isHeld ? null : oldestReadyAge,
    scheduled,
    retrying,
    failed,
    blockedKeys,
  }
}

/** Counted to 2,500 like its parts. */
export function sum(...counts: readonly Count[]): Count {
  const total = counts.reduce((all, { count }) => all + count, 0)
  return { count: Math.min(COUNTED, total), exact: total <= COUNTED && counts.every(({ exact }) => exact) }
}
