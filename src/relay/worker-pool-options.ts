import { asGiven, duration, integer, nested } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { WORKER, type WorkerOptions } from './worker-options.ts'

/** How the workers of a pool share one process. */
export const WORKER_POOL = {
  /** For each worker; what is given here goes before the outbox's own `worker` options. Default: none. */
  worker: asGiven<WorkerOptions>(nested(WORKER)),
  /** Sends in flight over all outboxes and backends, 1 to 100,000. Default 64. */
  concurrency: integer(64, { min: 1, max: 100_000 }),
  /**
   * Sends in flight at one backend object that several outboxes have, 1 to 100,000. Each outbox has at most
   * `worker.concurrency` of them. Default 16.
   */
  backendConcurrency: integer(16, { min: 1, max: 100_000 }),
  /**
   * The longest pause between two tries to start the worker of an outbox whose database is down, in milliseconds. Default
   * 5,000.
   */
  restartInterval: duration(5_000, { min: 1, max: 3_600_000 }),
}
/** How the workers of a pool share one process. */
export type WorkerPoolOptions = OptionsOf<typeof WORKER_POOL>

/** Fills in defaults and checks everything at once. Throws `INVALID_OPTION`. */
export function resolveWorkerPoolOptions(options: WorkerPoolOptions) {
  return readOptions('the pool', WORKER_POOL, options, ({ worker = {}, ...read }) => ({ worker, ...read }), 'pool.')
}
