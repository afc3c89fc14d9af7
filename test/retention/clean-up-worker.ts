import type { WorkerOptions } from 'ts-broadcaster'

/** The options of workers that clean up often, and whose leases are short. */
export const CLEAN_UP_WORKER = {
  lease: 1_000,
  pollInterval: 50,
  retention: { published: 0, interval: 20 },
} as const satisfies WorkerOptions
