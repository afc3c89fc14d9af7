import { duration, flag } from '../foundation/option-kinds.ts'
import type { OptionsOf } from '../foundation/option-table.ts'

/** One check. */
export interface HealthCheck {
  /** What it is. A worker and a consumer have loops, in this process. */
  readonly kind: 'database' | 'backend' | 'worker' | 'consumer'
  /**
   * The store's description (for a consumer `inbox of <consumer> in <store>`), or the backend's, worker's or consumer's
   * name.
   */
  readonly name: string
  /** False: one of its loops no longer turns. Always true for a database and a backend. */
  readonly live: boolean
  /** Whether it can do its work now. */
  readonly ready: boolean
  /** What is wrong, in one sentence for people; it may name hosts. Null: nothing is. */
  readonly detail: string | null
}

/** Whether the loops of this process turn, known without asking a server. */
export interface Liveness {
  /** False: something here hangs, and only a new process helps. */
  readonly live: boolean
  /** Each worker or consumer of this process. */
  readonly checks: readonly HealthCheck[]
}

/** How an outbox or a consumer is, as far as this process can tell. */
export interface Health extends Liveness {
  /** Whether it can do its work now. Events wait while it cannot, and nothing is lost. */
  readonly ready: boolean
  /** All checks. */
  readonly checks: readonly HealthCheck[]
}

/** What can report its health: a `Broadcaster`, a `Consumer`, or an object of your own. */
export interface HealthSource {
  /** Whether its loops turn: known at once, without asking a server. */
  liveness(): Liveness
  /** Its health. Resolves within the `timeout`, and never rejects because something is down. */
  health(options?: HealthOptions): Promise<Health>
}

/** How health is checked. */
export const HEALTH = {
  /**
   * How long the database and each backend may take to answer, in milliseconds, before it counts as down. Default
   * 2,000.
   */
  timeout: duration(2_000),
  /** How long an answer is reused, in milliseconds: many probes cost one check. Default 1,000. */
  maxAge: duration(1_000, { min: 0 }),
  /**
   * Whether the backends that this process's workers serve are checked, one of which must be healthy. Use false where
   * an application that takes requests runs a worker: a broker that is down must not take it out of service. Default
   * true.
   */
  askBackends: flag(true),
}
/** How `health` asks. */
export type HealthOptions = OptionsOf<typeof HEALTH>
