import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Backend } from '../backend/backend.ts'
import { resolveOptions } from '../options.ts'
import { showValue, throwProblems } from '../problem.ts'
import { checkRetryPolicy, type RetryPolicy } from '../retry-policy.ts'
import type { BreakerOptions } from './breaker.ts'
import type { RetentionOptions } from './retention.ts'

/** How a worker works. Durations are in milliseconds. */
export interface WorkerOptions {
  /** For people: shown in the attempt history and by `broadcaster stats`. Default `<host>-<8 random characters>`. */
  readonly name?: string
  /** The backends this worker serves. Default all. */
  readonly backends?: readonly string[]
  /** Events in one send, 1 to 10,000. Default 100. */
  readonly batchSize?: number
  /** Sends in flight for each backend, 1 to 100. Default 4. */
  readonly concurrency?: number
  /**
   * Events in memory for each backend, read in one piece when many wait, whatever their size: 2,000 of 1 MiB are 2 GiB.
   * Lower it and `batchSize` where events are large. Default 20 x `batchSize`.
   */
  readonly maxInHand?: number
  /** The longest time between two looks for events when nothing else wakes the worker. Default 1,000. */
  readonly pollInterval?: number
  /**
   * The same while nothing is to do and the database tells of commits: it costs no delay, only idle looks. The worker's
   * heartbeat then slows down with it, to a quarter of the lease at most. Default `pollInterval`; in a `WorkerPool`
   * 5,000, where that is more.
   */
  readonly idleInterval?: number
  /**
   * Within this time a worker notices what plain SQL did to events that hold a key or wait behind one, 1,000 to 86,400,000.
   * (What `broadcaster.events` does is noticed at once.) Default 60,000.
   */
  readonly reconcileInterval?: number
  /** Passes of up to `batchSize` events, `pollInterval` apart, after which `run` ends; 0 = for ever. Default 0. */
  readonly maxIterations?: number
  /** How long the lanes of a killed worker stay its own, 100 to 600,000. Default 10,000. */
  readonly lease?: number
  /** How long one send may take, unless the backend says otherwise. Default 5,000; at most 0.7 of the lease keeps the order promise at its strictest. */
  readonly sendTimeout?: number
  /**
   * How long `stop` and `close` take at most, whatever hangs; sends and statements that go on then are left alone. Default: the
   * lease, twice the longest send and 5,000 together, so 25,000 unless those are changed.
   */
  readonly stopTimeout?: number
  /** What an event that failed for good does to later events of its key. Default `block`. */
  readonly onFailed?: 'block' | 'skip'
  /** Default exponential backoff: 1 s, doubled each time, at most 1 h, less up to half of it; also where a function of yours throws. */
  readonly retry?: RetryPolicy
  /** A database that is away at the start rejects `start` instead of being waited for. Default false; always true in a `WorkerPool`. */
  readonly failFast?: boolean
  readonly breaker?: BreakerOptions
  /**
   * The longest that a backend may ask us to stay away (`Retry-After`): what asks for more is tried again after this. Default
   * 3,600,000 (one hour).
   */
  readonly maxRetryAfter?: number
  /** Clean-up of settled events; false = none. Default: published 7 days, failed 30 days. */
  readonly retention?: RetentionOptions | false
}

/** Every option with its value; `backends` undefined = all, `stopTimeout` undefined = by what the sends may take. */
export type ResolvedWorkerOptions = Required<Omit<WorkerOptions, 'backends' | 'stopTimeout'>> & {
  readonly backends: readonly string[] | undefined
  readonly stopTimeout: number | undefined
}

/** Fills in defaults and checks everything at once. Throws `INVALID_OPTION` that lists every problem. */
export function resolveWorkerOptions(options: WorkerOptions = {}): ResolvedWorkerOptions {
  const batchSize = options.batchSize ?? 100
  const defaults: ResolvedWorkerOptions = {
    name: `${hostname()}-${randomUUID().slice(0, 8)}`,
    backends: undefined,
    batchSize: 100,
    concurrency: 4,
    maxInHand: 20 * batchSize,
    pollInterval: 1_000,
    idleInterval: options.pollInterval ?? 1_000,
    reconcileInterval: 60_000,
    maxIterations: 0,
    lease: 10_000,
    sendTimeout: 5_000,
    stopTimeout: undefined,
    onFailed: 'block',
    retry: {},
    failFast: false,
    breaker: {},
    maxRetryAfter: 3_600_000,
    retention: {},
  }
  checkKinds(options)
  checkNested(options)
  return resolveOptions('worker', options, defaults, {
    batchSize: { min: 1, max: 10_000, integer: true },
    concurrency: { min: 1, max: 100, integer: true },
    maxInHand: { min: batchSize, max: 1_000_000, integer: true },
    pollInterval: { min: 1, max: 86_400_000 },
    idleInterval: { min: 1, max: 86_400_000 },
    reconcileInterval: { min: 1_000, max: 86_400_000 },
    maxIterations: { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true },
    lease: { min: 100, max: 600_000 },
    sendTimeout: { min: 1, max: 600_000 },
    maxRetryAfter: DURATION,
    stopTimeout: { min: 0, max: 3_600_000 },
    onFailed: { oneOf: ['block', 'skip'] },
  })
}

/** What a stop may take beyond the lease and the longest send, twice: what hung together is tried alone. In ms. */
const STOP_MARGIN = 5_000

/** How long a stop may take, whatever hangs, in milliseconds. */
export function stopTimeOf(options: ResolvedWorkerOptions, served: readonly (readonly [string, Backend])[]): number {
  const { lease, sendTimeout, stopTimeout } = options
  const longestSend = Math.max(sendTimeout, ...served.map(([, { timeout = 0 }]) => timeout))
  return stopTimeout ?? lease + 2 * longestSend + STOP_MARGIN
}

/** A pool's idle outboxes may be hundreds, and each looks at its database for itself. */
const POOLED_IDLE_INTERVAL = 5_000

/** What is otherwise by default for a worker in a pool. */
export function pooledDefaults({ pollInterval = 0 }: WorkerOptions): WorkerOptions {
  return { idleInterval: Math.max(pollInterval, POOLED_IDLE_INTERVAL) }
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What the options that are no numbers must be. */
const KINDS: readonly (readonly [keyof WorkerOptions, (value: unknown) => boolean, string])[] = [
  ['name', isText, 'a text'],
  ['backends', (value) => Array.isArray(value) && value.every(isText), 'a list of names'],
  [
    'retry',
    (value) => ['string', 'function'].includes(typeof value) || isObject(value),
    "'django', backoff options or a function",
  ],
  ['failFast', (value) => typeof value === 'boolean', 'true or false'],
  ['breaker', isObject, 'an object'],
  ['retention', (value) => value === false || isObject(value), 'an object, or false for no clean-up'],
]

/** Options of another type than theirs; undefined = the default. */
function checkKinds(options: WorkerOptions): void {
  const problems = KINDS.flatMap(([name, fits, wanted]) => {
    const value: unknown = options[name]
    if (value === undefined || fits(value)) return []
    const message = `is ${showValue(value)}; give ${wanted}`
    return [{ code: 'INVALID_OPTION' as const, field: `worker.${name}`, value, message }]
  })
  throwProblems('worker', problems)
}

/** Durations inside the nested options, in milliseconds. */
const DURATION = { min: 0, max: Number.MAX_SAFE_INTEGER }
const NESTED = {
  breaker: { firstProbe: DURATION, probeInterval: { min: 1, max: 3_600_000 } },
  retention: { published: DURATION, failed: DURATION, inbox: DURATION, interval: { min: 1, max: 86_400_000 } },
} as const

/** Unknown keys and wrong values of `retry`, `breaker` and `retention`. Null in the last keeps events for ever. */
function checkNested(options: WorkerOptions): void {
  checkRetryPolicy('worker', options.retry)
  for (const [name, rules] of Object.entries(NESTED)) {
    const value: unknown = options[name as keyof typeof NESTED]
    if (typeof value !== 'object' || value === null) continue
    const given = Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null))
    resolveOptions(
      `worker.${name}`,
      given,
      Object.fromEntries(Object.keys(rules).map((key) => [key, undefined])),
      rules,
    )
  }
}
