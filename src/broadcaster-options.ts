import type { Backend } from './backend/backend.ts'
import { rateProblems } from './backend/rate.ts'
import type { Subscription } from './consumer/subscription.ts'
import type { Catalogue, NoCatalogue, UnlistedEvents } from './event/catalogue.ts'
import { anything, asGiven, nested, required } from './foundation/option-kinds.ts'
import { type Option, type Refuse, readOptions } from './foundation/option-table.ts'
import { type Problem, showValue } from './foundation/problem.ts'
import { withOneOf } from './foundation/with-one-of.ts'
import type { PublishHooks } from './publish/hooks.ts'
import type { Route } from './publish/routes.ts'
import type { RelayHooks } from './relay/send-hooks.ts'
import { WORKER, type WorkerOptions } from './relay/worker-options.ts'
import type { Store } from './store/store.ts'
import type { TransactionAdapter } from './store/transaction-adapter.ts'
import type { LoggerOption } from './telemetry/logger.ts'

/** What is done to events on their way: between `publish` and the row, and around each send. */
export interface BroadcasterHooks extends PublishHooks, RelayHooks {}

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
  readonly transaction?: TransactionAdapter<Tx> | undefined
  /** The backends by name (at most 100 characters each). Default: none, for a service that only consumes. */
  readonly backends?: Readonly<Record<string, Backend>> | undefined
  /** Where events go that match no route. Default: the first of `backends`. */
  readonly defaultBackend?: string | undefined
  /** Which event types go where; the first that matches counts. Default: none. */
  readonly routes?: readonly Route[] | undefined
  /** The catalogue of typed events: a Standard Schema for each type. Default: any type, any data. */
  readonly events?: Events | undefined
  /** Whether types outside the catalogue are accepted. Default `refuse`. */
  readonly unlistedEvents?: Unlisted | undefined
  /**
   * How often delivery is tried again after the first attempt before an event is `failed`, unless `publish` says
   * otherwise. The column `max_retries` counts attempts, as Django's does, so it gets one more. Default 12, which takes
   * 34 to 68 minutes.
   */
  readonly maxRetries?: number | undefined
  /** Defaults for `worker()` and `processPendingEvents()`. */
  readonly worker?: WorkerOptions | undefined
  /** The subscriptions of this service's consumers, by consumer; only `admin.deadLetters` opens them. Default: none. */
  readonly subscriptions?: Readonly<Record<string, Subscription>> | undefined
  /** What is done to events on their way, such as `openTelemetry(api)`. Default: nothing. */
  readonly hooks?: BroadcasterHooks | undefined
  /** Distinguishes several outboxes in one process, in signals. Default: the store's description. */
  readonly name?: string | undefined
  /** Where warnings and errors go: `console`, or `structuredLogger(pino())`; false = nowhere. Default: standard error. */
  readonly logger?: LoggerOption | undefined
}

/** The members by which a store, an adapter and a backend are recognised. */
const SHAPES = {
  store: ['transaction', 'close'],
  transaction: ['check', 'execute'],
  backend: ['send', 'healthCheck', 'close'],
} as const

/** The width of the column that names the backend, in characters. */
const LONGEST_NAME = 100

/** Only the compiler knows these types; the rest is checked where it is used. */
const BROADCASTER = {
  store: required(shaped(SHAPES.store, 'a store, such as postgres({ pool })')),
  transaction: shaped(SHAPES.transaction, 'a transaction adapter, or leave it out'),
  backends: backendsOption(),
  defaultBackend: anything('the name of a backend, or leave it out'),
  ...{ routes: anything(), events: anything('a catalogue, or leave it out'), unlistedEvents: anything() },
  // What depends on several options is checked by worker(), which may be given more.
  worker: asGiven(nested(WORKER)),
  hooks: withOneOf<BroadcasterHooks>('hooks, such as openTelemetry(api)', 'enrich', 'encode', 'aroundSend'),
  ...{ maxRetries: anything(), name: anything('a name, or leave it out'), logger: anything() },
  subscriptions: anything('subscriptions by consumer, or leave it out'),
}

/** Checks that the parts are what they must be. Throws one `INVALID_OPTION` that lists every problem. */
export function checkOptions(options: unknown): void {
  readOptions('the Broadcaster', BROADCASTER, options)
}

function backendsOption(): Option<unknown> {
  const wanted = 'backends by name, such as { default: ... }, or leave it out'
  const read = (value: unknown, refuse: Refuse): unknown => {
    if (!isObject(value) || Array.isArray(value) || isBackend(value)) {
      refuse(`${isBackend(value) ? 'is a backend without a name' : `is ${showValue(value)}`}; give ${wanted}`)
      return value
    }
    for (const [name, backend] of Object.entries(value)) {
      const problems = backendProblems(name, backend)
      for (const { message, value } of problems) refuse(message, { value, at: `.${name}` })
    }
    return value
  }
  return { wanted, fallback: undefined, read }
}

/** An object with these methods. */
function shaped(methods: readonly string[], wanted: string): Option<unknown> {
  const read = (value: unknown, refuse: Refuse): unknown => {
    for (const { message } of shapeProblems('', value, methods, wanted)) refuse(message)
    return value
  }
  return { wanted, fallback: undefined, read }
}

/** What is wrong with a backend or its name. */
export function backendProblems(name: string, backend: unknown): readonly Problem[] {
  const field = `backends.${name}`
  const fits = typeof name === 'string' && name !== '' && [...name].length <= LONGEST_NAME
  const message = `does not name a backend; give 1 to ${LONGEST_NAME} characters`
  return [
    ...(fits ? [] : [{ code: 'INVALID_OPTION', field, value: name, message } as const]),
    ...shapeProblems(field, backend, SHAPES.backend, 'a backend, such as redisStreams({ url })'),
    ...(isObject(backend) ? ratesOf(field, backend) : []),
  ]
}

function ratesOf(backendField: string, backend: Readonly<Record<string, unknown>>): readonly Problem[] {
  return ['rate', 'destinationRate'].flatMap((name) =>
    rateProblems(backend[name]).map((message) => ({
      code: 'INVALID_OPTION',
      field: backendField,
      value: undefined,
      message: `has a ${name} that ${message}`,
    })),
  )
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
