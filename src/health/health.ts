import { duration, flag } from '../foundation/option-kinds.ts'
import type { OptionsOf } from '../foundation/option-table.ts'

/** One check. */
export interface HealthCheck {
  /** What it is. A worker and a consumer have loops, in this process. */
  readonly kind: 'database' | 'backend' | 'worker' | 'consumer'
  /** The store's description, of a consumer's database `inbox of <consumer> in <store>`, or the name of the backend, worker or consumer. */
  readonly name: string
  /** False: a loop of it has stopped to turn. Always true of a database and of a backend. */
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

/** What can be asked how it is: a `Broadcaster`, a `Consumer`, or an object of your own. */
export interface HealthSource {
  /** Whether its loops turn: known at once, without asking a server. */
  liveness(): Liveness
  /** How it is. Resolves within the `timeout`, and never rejects because of what is down. */
  health(options?: HealthOptions): Promise<Health>
}

/** How it is asked. */
export const HEALTH = {
  /** How long the database, and each backend, may take to answer, in milliseconds; then it counts as away. Default 2,000. */
  timeout: duration(2_000),
  /** For how long an answer is reused, in milliseconds: many probes cost one check. Default 1,000. */
  maxAge: duration(1_000, { min: 0 }),
  /**
   * Whether the backends are asked that the workers of this process serve, and one of them must be healthy. False where an
   * application that takes requests has a worker in it: a broker that is down must not take it out of service. Default true.
   */
  askBackends: flag(true),
}
/** How `health` asks. */
export type HealthOptions = OptionsOf<typeof HEALTH>
