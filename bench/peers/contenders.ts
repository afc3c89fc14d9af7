import { bareLoop } from './bare-loop.ts'
import { graphileWorker } from './graphile-worker.ts'
import { ours } from './ours.ts'
import { pgBoss } from './pg-boss.ts'
import type { Contender } from './task.ts'

interface Arm {
  readonly contender: Contender
  readonly label: string
  /** Of a package that is not ours. */
  readonly isPeer?: true
  /** Processes that share the work. Default 1. */
  readonly processes?: number
}

/** What is measured, by its name on the command line. */
export const ARMS: { readonly [name: string]: Arm } = {
  ours: { contender: ours(), label: 'ours, defaults' },
  'ours-500': {
    contender: ours({ ioredis: true, worker: { batchSize: 500 } }),
    label: 'ours, batch 500, ioredis',
  },
  graphile: { contender: graphileWorker, label: 'graphile-worker, 100 jobs, local queue 500', isPeer: true },
  'pg-boss': { contender: pgBoss, label: 'pg-boss, 1,000 a batch', isPeer: true },
  bare: { contender: bareLoop, label: 'a bare loop' },
  'ours-two': { contender: ours(), label: 'ours, two workers', processes: 2 },
  'ours-hot': { contender: ours({ keys: 1 }), label: 'ours, one hot key' },
}
