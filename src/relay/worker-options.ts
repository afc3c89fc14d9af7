import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Backend } from '../backend/backend.ts'
import {
  byDefault,
  bytes,
  duration,
  flag,
  integer,
  nested,
  oneOf,
  option,
  or,
  text,
} from '../foundation/option-kinds.ts'
import { type OptionsOf, type ResolvedOf, readOptions } from '../foundation/option-table.ts'
import { retryOption } from '../foundation/retry-policy.ts'
import { RETENTION, type ResolvedRetention } from '../retention/retention-options.ts'
import { BREAKER } from './breaker.ts'

const DAY = 86_400_000

/** How a worker works. */
export const WORKER = {
  /** For people: shown in the attempt history and by `broadcaster stats`. Default `<host>-<8 random characters>`. */
  name: text(undefined),
  /** The backends this worker serves. Default: all. */
  backends: option<readonly string[], readonly string[] | undefined>('a list of names', undefined, (value) => {
    return Array.isArray(value) && value.every((each) => typeof each === 'string' && each !== '')
  }),
  /** Events in one send, 1 to 10,000. Default 100. */
  batchSize: integer(100, { min: 1, max: 10_000 }),
  /** Sends in flight for each backend, 1 to 100. Default 4. */
  concurrency: integer(4, { min: 1, max: 100 }),
  /**
   * Bytes of data in one send, 1 or more: a send of large events has fewer than `batchSize`, so that each can end within its
   * timeout. The data alone counts, as UTF-8 or the bytes that it is. One event that has more goes by itself. Default 4,194,304
   * (4 MiB).
   */
  maxBatchBytes: bytes(4_194_304, { min: 1 }),
  /**
   * Events in memory for each backend, read at once when many wait. As many again may wait, once sent, for the locks on their
   * rows. Default: 20 x `batchSize`.
   */
  maxInHand: integer(undefined, { min: 1, max: 1_000_000 }),
  /**
   * Bytes of data in memory, read, waiting or in flight, over all backends of the worker, 1 or more. The data alone counts, as UTF-8
   * or the bytes that it is; a process needs several times that for its copies. Of several backends one has half of it at most, two a
   * third each. An event that has no room goes when its backend has nothing else in memory. As much again may wait for locked rows,
   * as with `maxInHand`. Default 33,554,432 (32 MiB).
   */
  maxInFlightBytes: bytes(33_554_432, { min: 1 }),
  /** The longest time between two polls for events when nothing else wakes the worker, in milliseconds. Default 1,000. */
  pollInterval: duration(1_000, { min: 1, max: DAY }),
  /**
   * The same while there is nothing to do and the database announces commits: it costs no delay, only idle looks. The worker's
   * heartbeat then slows down with it, to a quarter of the lease at most. In milliseconds. Default: `pollInterval`; in a
   * `WorkerPool` 5,000, where that is more.
   */
  idleInterval: duration(undefined, { min: 1, max: DAY }),
  /**
   * Within this time a worker notices what plain SQL did to events that hold a key or wait behind one, in milliseconds, 1,000
   * to 86,400,000. (What `broadcaster.events` does is noticed at once.) Default 60,000.
   */
  reconcileInterval: duration(60_000, { min: 1_000, max: DAY }),
  /** Passes, each until nothing is due, `pollInterval` apart, after which `run` ends; 0 = for ever. Default 0. */
  maxIterations: integer(0, { min: 0 }),
  /** How long the lanes of a killed worker stay its own, in milliseconds, 100 to 600,000. Default 10,000. */
  lease: duration(10_000, { min: 100, max: 600_000 }),
  /**
   * How long one send may take, unless the backend says otherwise, in milliseconds; at most 0.7 of the lease keeps the order
   * promise at its strictest. Default 5,000.
   */
  sendTimeout: duration(5_000, { min: 1, max: 600_000 }),
  /**
   * How long `stop` and `close` take at most, whatever hangs, in milliseconds; sends and statements that go on then are left
   * alone. Default: the lease, twice the longest send and 5,000 together, so 25,000 where sends take 5 s.
   */
  stopTimeout: duration(undefined, { min: 0, max: 3_600_000 }),
  /** What an event that failed for good does to later events of its key. Default `block`. */
  onFailed: oneOf('block', 'block', 'skip'),
  /**
   * How long to wait between attempts. Default: exponential backoff: 1 s, doubled each time, at most 1 h, less up to half of
   * it; also where a function of yours throws.
   */
  retry: retryOption({}),
  /**
   * Whether `start` rejects when the database is down, instead of waiting for it. Default false; always true in a
   * `WorkerPool`.
   */
  failFast: flag(false),
  /** When to try a backend again that was down. Default: after 200 ms, then each second. */
  breaker: nested(BREAKER),
  /**
   * The longest that a backend may ask us to stay away (`Retry-After`), in milliseconds: what asks for more is tried again
   * after this. Default 3,600,000 (one hour).
   */
  maxRetryAfter: duration(3_600_000, { min: 0, max: Number.MAX_SAFE_INTEGER }),
  /** Clean-up of settled events; false = none. Default: published 7 days, failed 30 days. */
  retention: byDefault(nested(RETENTION).fallback, or(nested(RETENTION), false)),
}
/** How a worker works. */
export type WorkerOptions = OptionsOf<typeof WORKER>
/** Every option with its value; `backends` undefined = all, `stopTimeout` undefined = by what the sends may take. */
export type ResolvedWorkerOptions = Readonly<
  ResolvedOf<typeof WORKER> & { name: string; maxInHand: number; idleInterval: number }
>

/** A pool's idle outboxes may be hundreds, and each looks at its database for itself. In milliseconds. */
const POOLED_IDLE_INTERVAL = 5_000

/** What workers with these options delete, and when; false = nothing. */
export function retentionOf({ retention }: WorkerOptions = {}): ResolvedRetention | false {
  return readOptions('the worker', { retention: WORKER.retention }, { retention }).retention
}

/** Fills in defaults and checks everything at once. Throws `INVALID_OPTION` that lists every problem. */
export function resolveWorkerOptions(
  options: WorkerOptions = {},
  { pooled }: { readonly pooled: boolean } = { pooled: false },
) {
  return readOptions(
    'the worker',
    WORKER,
    options,
    (read, { refuse }) => {
      const { batchSize, pollInterval, maxInHand = 20 * batchSize } = read
      if (maxInHand < batchSize)
        refuse('maxInHand', `is ${maxInHand}; give batchSize, ${batchSize}, or more`, maxInHand)
      if (read.retention !== false && read.retention.published === 'delete') {
        const [kept] = Object.entries(read.retention.types).filter(([, { published }]) => published !== undefined)
        const message = `keeps nothing published, so types['${kept?.[0]}'].published has no effect; give a time instead of 'delete'`
        if (kept) refuse('retention', message)
        const lost = `keeps nothing published, so archive would miss it; give published: 0 instead of 'delete'`
        if (read.retention.archive !== undefined) refuse('retention', lost)
      }
      const idleInterval = pooled ? Math.max(pollInterval, POOLED_IDLE_INTERVAL) : pollInterval
      return {
        ...read,
        name: read.name ?? `${hostname()}-${randomUUID().slice(0, 8)}`,
        maxInHand,
        idleInterval: read.idleInterval ?? idleInterval,
        failFast: pooled || read.failFast,
      }
    },
    'worker.',
  )
}

/** What a stop may take beyond the lease and the longest send, twice: what hung together is tried alone. In ms. */
const STOP_MARGIN = 5_000

/** How long a stop may take, whatever hangs, in milliseconds. */
export function stopTimeOf(options: ResolvedWorkerOptions, served: readonly (readonly [string, Backend])[]): number {
  const { lease, sendTimeout, stopTimeout } = options
  const longestSend = Math.max(sendTimeout, ...served.map(([, { timeout = 0 }]) => timeout))
  return stopTimeout ?? lease + 2 * longestSend + STOP_MARGIN
}
