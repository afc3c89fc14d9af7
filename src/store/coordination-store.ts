/**
 * No lease and no hold is longer, in ms: one that ends later was left behind by a clock that was set back. A lease is then
 * cut to this, since the table does not say how long it was, and right after the jump its worker lives as a rule. A hold is
 * over.
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
  /** Goes up each time an operator asks the owner to take its hands off this lane. */
  readonly hold: number
  /** Milliseconds for which it is still held; <= 0 = whoever held it did not come back, or the clock was set back; null = not held. */
  readonly holdLeft: number | null
  /**
   * The last hold that an owner answered: nothing of the lane was in its hands then. -n: the hold that stands began after
   * number n, and no answer has come since; those to n and before say nothing about it.
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
  /** Milliseconds since it opened or closed; null = never moved. */
  readonly since: number | null
  /** Why it opened. */
  readonly error: string
  /** An operator paused the backend; null = nobody did. */
  readonly paused: PauseRow | null
}

/** A backend to which an operator lets nothing be sent. */
export interface PauseRow {
  /** Who paused it. */
  readonly by: string
  /** Why; empty = not said. */
  readonly reason: string
  /** Milliseconds since then. */
  readonly since: number
}

/**
 * How workers on many machines share the work: they meet only here. Conditional single-statement updates only; the
 * lease is on the worker's row, a lane is free when its owner is null or no longer among the workers.
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
  }): Promise<string>
  /** Extends the lease by `lease` ms from the database's now. False: it had ended; all lanes are lost. */
  renew(workerId: string, lease: number): Promise<boolean>
  /** Removes workers whose lease has ended, cuts leases beyond `LONGEST_LEASE`, then reads workers, lanes and breakers. */
  survey(backends: readonly string[]): Promise<Survey>
  /** Reads what `survey` reads, and changes nothing: for people, who may have no right to more than SELECT. */
  look(backends: readonly string[]): Promise<Survey>
  /** Takes lanes whose fence is still the one seen. Returns those taken, with their new fence. */
  claim(workerId: string, lanes: readonly LaneRow[]): Promise<readonly LaneRow[]>
  /**
   * Says that nothing of these lanes is in our hands, and that we read none of them while they are held. It answers the
   * lane's hold as it was given (`Lane.hold`) and those before, not one that came since: the answer may run late, while we
   * send again. Each gets a new fence, so that no statement from before can come late; a hold whose time is over ends.
   * Returns those still ours, as they are now: one that is not held any more may be read again, and one with a newer hold
   * (`hold > quietFor`) is to be answered again.
   */
  quiet(workerId: string, lanes: readonly LaneRow[]): Promise<readonly LaneRow[]>
  /** Gives lanes back, if still ours, and tells the others. */
  release(workerId: string, lanes: readonly LaneRow[]): Promise<void>
  /** Gives all lanes back, removes the worker and tells the others. */
  leave(workerId: string): Promise<void>
  readonly breakers: BreakerStore
  readonly destinations: DestinationStore
}

/** The breaker of each backend, and its pause, shared by all workers. */
export interface BreakerStore {
  /** Opens it unless open already, the first probe after `probeAfter` ms. True: this call opened it. */
  open(backend: string, probeAfter: number, error: string): Promise<boolean>
  /** Takes the right to probe, if due; the next probe is due `again` ms later. One caller at a time gets true. */
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

/** Open breakers of destinations that are kept for each backend; one more drops the oldest. */
export const MOST_DESTINATIONS = 1_000
/** A probe of a destination is never put off for longer, in ms: an instant beyond it is due. */
export const LONGEST_PROBE_WAIT = 3_600_000

/** An open breaker of a place behind a backend. */
export interface DestinationRow {
  readonly destination: string
  /** Milliseconds until the next probe may start (<= 0: now). */
  readonly probeIn: number
  /** Milliseconds since it opened. */
  readonly since: number
  /** Why it opened. */
  readonly error: string
}

/** The breakers of the places behind a backend (`Backend.destination`), shared by all workers. Only open ones are kept. */
export interface DestinationStore {
  /** The open ones of a backend. */
  list(backend: string): Promise<readonly DestinationRow[]>
  /** Opens it unless open already, the first probe after `probeAfter` ms. True: this call opened it. */
  open(backend: string, destination: string, probeAfter: number, error: string): Promise<boolean>
  /** Takes the right to probe, if due; the next probe is due `again` ms later. One caller at a time gets true. */
  tryProbe(backend: string, destination: string, again: number): Promise<boolean>
  /** Puts the next probe off: `probeAfter` ms from now. */
  postpone(backend: string, destination: string, probeAfter: number, error: string): Promise<void>
  /** Closes it. True: this call closed it. */
  close(backend: string, destination: string): Promise<boolean>
}
