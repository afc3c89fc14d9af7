import type { WorkerOptions } from '../../src/relay/worker-options.ts'
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

const withWorker = (label: string, worker: WorkerOptions, processes = 1): Arm => ({
  contender: ours({ worker }),
  label,
  processes,
})

/** This package with one option changed at a time, for `options`. */
export const OPTION_ARMS: { readonly [name: string]: Arm } = {
  defaults: withWorker('defaults', {}),
  'batch-20': withWorker('batchSize: 20', { batchSize: 20 }),
  'batch-250': withWorker('batchSize: 250', { batchSize: 250 }),
  'batch-500': withWorker('batchSize: 500', { batchSize: 500 }),
  'batch-500-hand': withWorker('batchSize: 500, maxInHand: 4,000', { batchSize: 500, maxInHand: 4_000 }),
  'batch-1000': withWorker('batchSize: 1,000', { batchSize: 1_000 }),
  'concurrency-1': withWorker('concurrency: 1', { concurrency: 1 }),
  'concurrency-2': withWorker('concurrency: 2', { concurrency: 2 }),
  'concurrency-16': withWorker('concurrency: 16', { concurrency: 16 }),
  'hand-500': withWorker('maxInHand: 500', { maxInHand: 500 }),
  'hand-8000': withWorker('maxInHand: 8,000', { maxInHand: 8_000 }),
  'bytes-256k': withWorker('maxInFlightBytes: 256 KiB', { maxInFlightBytes: 262_144 }),
  erase: withWorker("retention: { published: 'delete' }", { retention: { published: 'delete' } }),
  ioredis: { contender: ours({ ioredis: true }), label: 'an ioredis client of your own' },
  two: withWorker('two workers', {}, 2),
  'one-key': { contender: ours({ keys: 1 }), label: 'one key for all events' },
}

/** All that a process can be told to do. */
export const ALL_ARMS: { readonly [name: string]: Arm } = { ...ARMS, ...OPTION_ARMS }
