import { BroadcasterError } from '../errors.ts'
import type { Catalogue, NoCatalogue } from '../event/catalogue.ts'
import { Inbox } from '../inbox/inbox.ts'
import { resolveOptions } from '../options.ts'
import { showValue } from '../problem.ts'
import { checkRetryPolicy, DEFAULT_RETRIES, type RetryPolicy } from '../retry-policy.ts'
import type { Store } from '../store/store.ts'
import { type LoggerOption, resolveLogger } from '../telemetry/logger.ts'
import { type EventHandlers, HandlerTable } from './event-handlers.ts'
import type { HandlingParts, RunInTransaction, RunTransaction } from './handling.ts'
import type { Subscription } from './subscription.ts'

/** Who handles events, and how each is handled once. */
export interface HandlingOptions<Tx = unknown, Events extends Catalogue | NoCatalogue = NoCatalogue> {
  /**
   * Who handles: part of what the inbox remembers, and the default of the broker's group. All processes that share the
   * work have the same; at most 100 characters.
   */
  readonly name: string
  /** What to do, by event type or pattern. All that match run, in this order. Events without a handler are acknowledged. */
  readonly handlers: EventHandlers<Events, Tx>
  /** The database of the handlers: its transactions carry inbox and handlers. Or `inbox` and `transaction`. */
  readonly store?: Store<Tx>
  /** An inbox with a transaction adapter of your own library; false = no inbox: what comes twice is handled twice. */
  readonly inbox?: Inbox<NoInfer<Tx>> | false
  /**
   * Runs work in a transaction of your own library: `(work) => db.transaction(work)`. Needed with `inbox`. Write it before
   * `handlers`: from it they have the type of their `tx`.
   */
  readonly transaction?: RunInTransaction<Tx>
  /** The catalogue of typed events: data is checked, and what a schema refuses is given up. Default: any. */
  readonly events?: Events
  /** Where warnings and errors go: `console`, or a logger of pino's shape; false = nowhere. Default: standard error. */
  readonly logger?: LoggerOption
}

/** What a consumer is made of. Durations are in milliseconds. */
export interface ConsumerOptions<Tx = unknown, Events extends Catalogue | NoCatalogue = NoCatalogue>
  extends HandlingOptions<Tx, Events> {
  /** Where messages come from: `redisStreamsSubscription(...)`, `kafkaSubscription(...)` and so on. */
  readonly subscription: Subscription
  /** Events handled at once, 1 to 1,000; those of one key never are. Default 10. */
  readonly concurrency?: number
  /** Messages in memory, handled or waiting, up to 100,000. Default 20 x `concurrency`. */
  readonly maxInHand?: number
  /** Waits between attempts. Default: exponential from 2 seconds to 15 minutes, with full jitter: 12 take half an hour. */
  readonly retry?: RetryPolicy
  /** Attempts after the first, 0 to 1,000, before the message is given up. Outages cost none. Default 12. */
  readonly maxRetries?: number
  /**
   * How many processes may end, one after the other, while they handle an event alone, before it is given up: it may kill
   * them. With `inbox: false`, where that is not known, half the number of times that the broker may hand it out. Default 20.
   */
  readonly maxDeliveries?: number
  /** After this time the handler's signal aborts. A handler that does not heed it keeps its key. Default 30,000. */
  readonly handlerTimeout?: number
  /** What a message that was given up does: goes to the dead-letter place, or stops the consumer. Default `dead-letter`. */
  readonly onFailed?: 'dead-letter' | 'stop'
  /** How long `stop` waits for handlers before their signals abort. Default 10,000. */
  readonly stopTimeout?: number
  /** Inbox entries older than this are deleted, in small batches; null = never here. Default 30 days. */
  readonly pruneInboxAfter?: number | null
  /** Whether `start` rejects at once when the broker or the database is away. Default false: it waits for them. */
  readonly failFast?: boolean
}

/** Every option with its value. */
export type ConsumerSettings = Required<Omit<ConsumerOptions, keyof HandlingOptions | 'subscription'>>

const HANDLING = ['name', 'handlers', 'store', 'inbox', 'transaction', 'events', 'logger']
const LONGEST_TIMER = 2 ** 31 - 1

/** Checks all but what concerns handling. Throws `INVALID_OPTION` that lists every problem. */
export function resolveConsumerSettings(options: object): ConsumerSettings {
  checkGiven(options)
  const own = Object.entries(options).filter(([name]) => !HANDLING.includes(name) && name !== 'subscription')
  const settings = Object.fromEntries(own) as Partial<ConsumerSettings>
  checkRetryPolicy('consumer', settings.retry)
  const concurrency = settings.concurrency ?? 10
  return resolveOptions<ConsumerSettings>(
    'consumer',
    settings,
    {
      concurrency: 10,
      maxInHand: 20 * concurrency,
      retry: { base: 2_000, cap: 900_000 },
      maxRetries: DEFAULT_RETRIES,
      maxDeliveries: 20,
      handlerTimeout: 30_000,
      onFailed: 'dead-letter',
      stopTimeout: 10_000,
      pruneInboxAfter: 30 * 24 * 60 * 60 * 1_000,
      failFast: false,
    },
    {
      concurrency: { min: 1, max: 1_000, integer: true },
      maxInHand: { min: concurrency, max: 100_000, integer: true },
      maxRetries: { min: 0, max: 1_000, integer: true },
      maxDeliveries: { min: 1, max: 1_000_000, integer: true },
      handlerTimeout: { min: 1, max: LONGEST_TIMER },
      onFailed: { oneOf: ['dead-letter', 'stop'] },
      stopTimeout: { min: 0, max: LONGEST_TIMER },
      ...(settings.pruneInboxAfter !== null && { pruneInboxAfter: { min: 1_000, max: Number.MAX_SAFE_INTEGER } }),
    },
  )
}

/** That there are options, and a subscription. */
function checkGiven(options: { readonly subscription?: unknown } | undefined | null): void {
  if (typeof options !== 'object' || options === null) {
    throw invalid('options', options, 'are missing; give name, subscription, handlers and store')
  }
  const { subscription } = options
  if (subscription === undefined || subscription === null) {
    throw invalid('subscription', subscription, 'is missing; give where messages come from')
  }
  if (!has(subscription, 'open', 'receive', 'close')) {
    throw invalid(
      'subscription',
      subscription,
      'has no open, receive and close; give redisStreamsSubscription(...) or alike',
    )
  }
}

/** Whether it has these methods. */
function has(value: unknown, ...methods: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false
  return methods.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}

/** What handling needs, checked. Throws `INVALID_OPTION`. */
export function resolveHandling<Tx, Events extends Catalogue | NoCatalogue>(
  options: HandlingOptions<Tx, Events>,
): HandlingParts<Tx> {
  const { name, handlers, events, logger } = options
  if (typeof name !== 'string' || name === '' || name.length > 100) {
    throw invalid('name', name, `is ${JSON.stringify(name)}; give 1 to 100 characters that stay the same for ever`)
  }
  return {
    consumer: name,
    handlers: new HandlerTable(handlers ?? {}),
    catalogue: events as Catalogue | undefined,
    once: resolveOnce(options),
    logger: resolveLogger('consumer', logger),
  }
}

function resolveOnce<Tx>({
  store,
  inbox,
  transaction,
}: Pick<HandlingOptions<Tx>, 'store' | 'inbox' | 'transaction'>): HandlingParts<Tx>['once'] {
  if (inbox === false) return null
  if (inbox !== undefined && !has(inbox, 'once', 'forget', 'prune')) {
    throw invalid('inbox', inbox, `is ${showValue(inbox)}; give an Inbox, or false`)
  }
  if (transaction !== undefined && typeof transaction !== 'function') {
    throw invalid('transaction', transaction, `is ${showValue(transaction)}; give (work) => db.transaction(work)`)
  }
  if (store !== undefined && !has(store, 'transaction')) {
    throw invalid('store', store, `is ${showValue(store)}; give a store, such as postgres({ pool })`)
  }
  if (inbox !== undefined) {
    // It runs work of any result: `Ran` is for the compiler alone.
    const run = (transaction as RunTransaction<Tx> | undefined) ?? (store && ((work) => store.transaction(work)))
    if (run === undefined) {
      throw invalid('transaction', transaction, 'is missing; with inbox give (work) => db.transaction(work), too')
    }
    return { inbox, transaction: run }
  }
  if (store === undefined) {
    throw invalid(
      'store',
      store,
      'is missing; give a store, or inbox and transaction, or inbox: false to handle again what comes again',
    )
  }
  if (transaction !== undefined) {
    throw invalid('transaction', transaction, 'needs an inbox with the adapter of the same library; give inbox, too')
  }
  return { inbox: new Inbox({ store }), transaction: (work) => store.transaction(work) }
}

function invalid(field: string, value: unknown, message: string): BroadcasterError {
  return new BroadcasterError('INVALID_OPTION', `the consumer is refused: ${field} ${message}`, { field, value })
}
