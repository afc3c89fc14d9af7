import type { DutyStore } from './duty-store.ts'
import type { PermitRequest, Permits } from './permits.ts'

/**
 * No lease and no hold is longer, in ms: one that ends later was left behind by a clock that was set back. A lease is
 * then cut to this, since the table does not say how long it was, and its worker is usually alive right after the jump.
 * A hold is then over.
 */
export const LONGEST_LEASE = 600_000
export const LONGEST_HOLD = 60_000

/** A lane of one backend, and who owns it. */
export interface LaneRow {
  readonly backend: string
  readonly lane: number
  /** The worker that owns it, or owned it when it died; null = free after a clean end. */
  readonly owner: string | null
  /** Goes up by one at each change of owner. */
  readonly fence: number
  /** Goes up when an operator changed events of this lane: the owner reconciles and sweeps. */
  readonly attention: number
  /** Goes up each time an operator asks the owner to leave this lane alone. */
  readonly hold: number
  /** Milliseconds left of the hold; <= 0 = its holder did not come back, or the clock was set back; null = not held. */
  readonly holdLeft: number | null
  /**
   * The last hold that an owner answered: nothing of the lane was in flight then. -n: the current hold began after
   * number n, and no answer has come since; answers to n and earlier say nothing about it.
   */
  readonly quietFor: number
}

export interface LiveWorker {
  /** Its identity in the database, new with each start. */
  readonly id: string
  /** For people: `host:pid`, or what the operator named it. */
  readonly name: string
  /** The backends that it serves, by name. */
  readonly backends: readonly string[]
  /** Milliseconds until its lease ends, by the database's clock; at most `LONGEST_LEASE`. */
  readonly leaseLeft: number
  /** The version of this package that it runs; null = one that did not tell it. */
  readonly version?: string | null
}

export interface Survey {
  /** Workers whose lease has not ended. */
  readonly workers: readonly LiveWorker[]
  /** All lanes of the backends asked for. */
  readonly lanes: readonly LaneRow[]
  readonly breakers: readonly BreakerRow[]
}

export interface BreakerRow {
  readonly backend: string
  readonly open: boolean
  /** Milliseconds until the next probe may start (<= 0: now). */
  readonly probeIn: number
  /** Milliseconds since it opened or closed; null = it never did. */
  readonly since: number | null
  /** Why it opened. */
  readonly error: string
  /** An operator paused the backend; null = nobody did. */
  readonly paused: PauseRow | null
}

/** A backend that an operator paused: nothing is sent to it. */
export interface PauseRow {
  /** Who paused it. */
  readonly by: string
  /** Why; empty = not said. */
  readonly reason: string
  /** Milliseconds since then. */
  readonly since: number
}

/**
 * How workers on many machines share the work: they meet only here. Only conditional single-statement updates; the
 * lease is on the worker's row; a lane is free when its owner is null or no longer among the workers.
 */
export interface CoordinationStore {
  /**
   * Adds a worker with a lease of `lease` ms and makes the lanes of its backends. Returns the worker's id.
   * A `transient` one (a one-shot drain) is listed with no backends, so that no worker gives lanes up for it.
   */
  enter(worker: {
    readonly name: string
    readonly backends: readonly string[]
    readonly lease: number
    readonly transient?: boolean
    /** Of the package that it runs. Default: not told. */
    readonly version?: string | undefined
  }): Promise<string>
  /** Extends the lease to `lease` ms from the database's now. False: it had ended; all lanes are lost. */
  renew(workerId: string, lease: number): Promise<boolean>
  /** Removes workers whose lease has ended, cuts leases to `LONGEST_LEASE`, then reads workers, lanes and breakers. */
  survey(backends: readonly string[]): Promise<Survey>
  /** Reads what `survey` reads, and changes nothing: for people, whose role may only SELECT. */
  look(backends: readonly string[]): Promise<Survey>
  /** Takes lanes whose fence is still the one seen. Returns those taken, with their new fence. */
  claim(workerId: string, lanes: readonly LaneRow[]): Promise<readonly LaneRow[]>
  /**
   * Says that nothing of these lanes is in flight, and that we read none of them while they are held. It answers the
   * lane's hold as given (`Lane.hold`) and earlier ones, but no later one: the answer may arrive late, when we are
   * sending again. Each lane gets a new fence, so that no earlier statement can take effect late; a hold whose time is
   * over ends. Returns the lanes still ours, as they are now: one that is no longer held may be read again, and one
   * with a newer hold (`hold > quietFor`) has to be answered again.
   */
  quiet(workerId: string, lanes: readonly LaneRow[]): Promise<readonly LaneRow[]>
  /** Gives back those lanes that are still ours, and wakes the other workers. */
  release(workerId: string, lanes: readonly LaneRow[]): Promise<void>
  /** Gives all lanes back, removes the worker and wakes the others. */
  leave(workerId: string): Promise<void>
  readonly breakers: BreakerStore
  readonly destinations: DestinationStore
  readonly rates: RateStore
  readonly duties: DutyStore
}

/** The breaker of each backend, and its pause, shared by all workers. */
export interface BreakerStore {
  /** Opens it unless open already, the first probe after `probeAfter` ms. True: this call opened it. */
  open(backend: string, probeAfter: number, error: string): Promise<boolean>
  /** Claims the right to probe, if due; the next probe is due `again` ms later. Only one caller gets true. */
  tryProbe(backend: string, again: number): Promise<boolean>
  /** Puts the next probe off: `probeAfter` ms from now. */
  postpone(backend: string, probeAfter: number, error: string): Promise<void>
  /** Closes it. True: this call closed it. */
  close(backend: string): Promise<boolean>
  /** Pauses the backend unless it is paused, and tells the workers. True: this call paused it. */
  pause(backend: string, by: string, reason: string): Promise<boolean>
  /** Ends the pause, and tells the workers. True: this call ended it. */
  resume(backend: string): Promise<boolean>
}

/**
 * A probe of a backend is never put off for longer, in ms: an instant beyond it was left behind by a clock that was set
 * back, and is due.
 */
export const LONGEST_BREAKER_WAIT = 900_000

/** How many open breakers of destinations are kept per backend; one more drops the oldest. */
export const MOST_DESTINATIONS = 1_000
/** A probe of a destination is never put off for longer, in ms: an instant beyond it is due. */
export const LONGEST_PROBE_WAIT = 3_600_000

/** An open breaker of a destination behind a backend. */
export interface DestinationRow {
  readonly destination: string
  /** Milliseconds until the next probe may start (<= 0: now). */
  readonly probeIn: number
  /** Milliseconds since it opened. */
  readonly since: number
  /** Why it opened. */
  readonly error: string
}

/** The breakers of a backend's destinations (`Backend.destination`), shared by all workers. Only open ones are kept. */
export interface DestinationStore {
  /** The open ones of a backend. */
  list(backend: string): Promise<readonly DestinationRow[]>
  /** Opens it unless open already, the first probe after `probeAfter` ms. True: this call opened it. */
  open(backend: string, destination: string, probeAfter: number, error: string): Promise<boolean>
  /** Claims the right to probe, if due; the next probe is due `again` ms later. Only one caller gets true. */
  tryProbe(backend: string, destination: string, again: number): Promise<boolean>
  /** Puts the next probe off: `probeAfter` ms from now. */
  postpone(backend: string, destination: string, probeAfter: number, error: string): Promise<void>
  /** Closes it. True: this call closed it. */
  close(backend: string, destination: string): Promise<boolean>
}

/** How fast events go to a backend, and to each destination behind it (`Backend.rate`): what workers took is shared by all. */
export interface RateStore {
  /**
   * Takes permits by `takePermits`, by the database's clock. `destination`: empty = the backend as a whole. All that callers take
   * may be used together.
   */
  take(backend: string, destination: string, request: PermitRequest): Promise<Permits>
}

/** At each so many first calls for a destination, what nobody asked for in the last hour is deleted: it means as much as no row. */
export const RATES_PER_CLEANING = 64
