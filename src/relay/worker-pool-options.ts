import { resolveOptions } from '../options.ts'
import type { WorkerOptions } from './worker-options.ts'

/** How the workers of a pool share one process. Durations are in milliseconds. */
export interface WorkerPoolOptions {
  /** For each worker; what is given here goes before the outbox's own `worker` options. Default none. */
  readonly worker?: WorkerOptions
  /** Sends in flight over all outboxes and backends, 1 to 100,000. Default 64. */
  readonly concurrency?: number
  /**
   * Sends in flight at one backend object that several outboxes have, 1 to 100,000. Each outbox has at most
   * `worker.concurrency` of them. Default 16.
   */
  readonly backendConcurrency?: number
  /** The longest pause between two tries to start the worker of an outbox whose database is down. Default 5,000. */
  readonly restartInterval?: number
}

/** Fills in defaults and checks everything at once. Throws `INVALID_OPTION`. */
export function resolveWorkerPoolOptions(options: WorkerPoolOptions): Readonly<Required<WorkerPoolOptions>> {
  const defaults = { worker: {}, concurrency: 64, backendConcurrency: 16, restartInterval: 5_000 }
  return resolveOptions<Required<WorkerPoolOptions>>('pool', options, defaults, {
    concurrency: { min: 1, max: 100_000, integer: true },
    backendConcurrency: { min: 1, max: 100_000, integer: true },
    restartInterval: { min: 1, max: 3_600_000 },
  })
}
