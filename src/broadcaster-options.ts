import type { Backend } from './backend/backend.ts'
import type { Subscription } from './consumer/subscription.ts'
import type { Catalogue, NoCatalogue, UnlistedEvents } from './event/catalogue.ts'
import { unknownKeys } from './options.ts'
import { type Problem, showValue, throwProblems } from './problem.ts'
import type { Route } from './publish/routes.ts'
import type { WorkerOptions } from './relay/worker-options.ts'
import type { Store } from './store/store.ts'
import type { TransactionAdapter } from './store/transaction-adapter.ts'
import type { LoggerOption } from './telemetry/logger.ts'

/** What a Broadcaster is made of. */
export interface BroadcasterOptions<
  StoreTx = unknown,
  Tx = StoreTx,
  Events extends Catalogue | NoCatalogue = NoCatalogue,
  Unlisted extends UnlistedEvents = 'refuse',
> {
  /** The database that holds the outbox. */
  readonly store: Store<StoreTx>
  /** How to write inside your own transactions. Default: the store's own client. */
  readonly transaction?: TransactionAdapter<Tx>
  /** The ways out, by name (at most 100 characters each). Default: none, as a service that only consumes has it. */
  readonly backends?: Readonly<Record<string, Backend>>
  /** Where events go that no route takes. Default: the first of `backends`. */
  readonly defaultBackend?: string
  /** Which event types go where; the first that matches counts. Default: none. */
  readonly routes?: readonly Route[]
  /** The catalogue of typed events: a Standard Schema for each type. Default: any type, any data. */
  readonly events?: Events
  /** Whether types outside the catalogue are accepted. Default `refuse`. */
  readonly unlistedEvents?: Unlisted
  /**
   * How often delivery is tried again after the first attempt before an event is `failed`, unless `publish` says otherwise. The
   * column `max_retries` counts attempts, as Django's does, so it gets one more. Default 12, which takes 34 to 68 minutes.
   */
  readonly maxRetries?: number
  /** Defaults for `worker()` and `processPendingEvents()`. */
  readonly worker?: WorkerOptions
  /** What consumers of this service read, by consumer; only the command `dead-letters` opens them. Default: none. */
  readonly subscriptions?: Readonly<Record<string, Subscription>>
  /** Distinguishes several outboxes in one process, in signals. Default: the store's description. */
  readonly name?: string
  /** Where warnings and errors go: `console`, or a logger of pino's shape; false = nowhere. Default: standard error. */
  readonly logger?: LoggerOption
}

const KNOWN_OPTIONS = [
  'store',
  'transaction',
  'backends',
  'defaultBackend',
  'routes',
  'events',
  'unlistedEvents',
  'maxRetries',
  'worker',
  'subscriptions',
  'name',
  'logger',
]

/** What a store, an adapter and a backend must have to be one. */
const SHAPES = {
  store: ['transaction', 'close'],
  transaction: ['check', 'execute'],
  backend: ['send', 'healthCheck', 'close'],
} as const

/** The width of the column that names the backend, in characters. */
const LONGEST_NAME = 100

/** Checks that the parts are what they must be. Throws one `INVALID_OPTION` that lists every problem. */
export function checkOptions(options: unknown): void {
  if (!isObject(options)) {
    const message = `are ${showValue(options)}; give { store, backends }`
    throwProblems('the Broadcaster', [{ code: 'INVALID_OPTION', field: 'options', value: options, message }])
    return
  }
  const { store, transaction, backends } = options
  const problems: Problem[] = [...unknownKeys('Broadcaster', options, KNOWN_OPTIONS)]
  problems.push(...shapeProblems('store', store, SHAPES.store, 'a store, such as postgres({ pool })'))
  if (transaction !== undefined) {
    problems.push(
      ...shapeProblems('transaction', transaction, SHAPES.transaction, 'a transaction adapter, or leave it out'),
    )
  }
  const isMap = isObject(backends) && !Array.isArray(backends) && !isBackend(backends)
  const named = isMap ? Object.entries(backends) : []
  if (backends !== undefined && !isMap) {
    const found = isBackend(backends) ? 'is a backend without a name' : `is ${showValue(backends)}`
    const message = `${found}; give backends by name, such as { default: ... }, or leave it out`
    problems.push({ code: 'INVALID_OPTION', field: 'backends', value: undefined, message })
  }
  for (const [name, backend] of named) problems.push(...backendProblems(name, backend))
  throwProblems('the Broadcaster', problems)
}

/** What is wrong with a backend or its name. */
export function backendProblems(name: string, backend: unknown): readonly Problem[] {
  const field = `backends.${name}`
  const fits = typeof name === 'string' && name !== '' && [...name].length <= LONGEST_NAME
  const message = `is no name for a backend; give 1 to ${LONGEST_NAME} characters`
  return [
    ...(fits ? [] : [{ code: 'INVALID_OPTION', field, value: name, message } as const]),
    ...shapeProblems(field, backend, SHAPES.backend, 'a backend, such as redisStreams({ url })'),
  ]
}

function shapeProblems(field: string, value: unknown, methods: readonly string[], wanted: string): readonly Problem[] {
  const missing = methods.filter((method) => !isObject(value) || typeof value[method] !== 'function')
  if (missing.length === 0) return []
  const has = isObject(value) ? `has no ${missing.join(' and no ')}` : `is ${showValue(value)}`
  return [{ code: 'INVALID_OPTION', field, value: undefined, message: `${has}; give ${wanted}` }]
}

function isBackend(value: unknown): boolean {
  return isObject(value) && SHAPES.backend.every((method) => typeof value[method] === 'function')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
