import { BroadcasterError } from '../errors.ts'
import type { Catalogue, NoCatalogue } from '../event/catalogue.ts'
import { anything, duration, flag, hasMethods, integer, oneOf, or } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { showValue } from '../foundation/problem.ts'
import { DEFAULT_RETRIES, retryOption } from '../foundation/retry-policy.ts'
import { withOneOf } from '../foundation/with-one-of.ts'
import type { HandlerHooks } from '../handlers/handler-hooks.ts'
import { Inbox } from '../inbox/inbox.ts'
import type { Store } from '../store/store.ts'
import { type LoggerOption, resolveLogger } from '../telemetry/logger.ts'
import { type EventHandlers, HandlerTable } from './event-handlers.ts'
import type { HandlingParts, RunInTransaction, RunTransaction } from './handling.ts'
import type { Subscription } from './subscription.ts'

/** Who handles events, and how each is handled once. */
export interface HandlingOptions<Tx = unknown, Events extends Catalogue | NoCatalogue = NoCatalogue> {
  /**
   * The consumer's name: part of what the inbox remembers, and the default of the broker's group. All processes that
   * share the work use the same; at most 100 characters.
   */
  readonly name: string | undefined
  /** Handlers by event type or pattern. All that match run, in this order. Events without one are acknowledged. */
  readonly handlers: EventHandlers<Events, Tx>
  /** The database of the handlers: its transactions carry inbox and handlers. Default: `inbox` and `transaction`. */
  readonly store?: Store<Tx> | undefined
  /**
   * An inbox with a transaction adapter of your own library; false = no inbox: what is delivered twice is handled
   * twice. Default: that of `store`.
   */
  readonly inbox?: Inbox<NoInfer<Tx>> | false | undefined
  /**
   * Runs work in a transaction of your own library: `(work) => db.transaction(work)`. Needed with `inbox`. Write it
   * before `handlers`, which take the type of their `tx` from it. Default: that of `store`.
   */
  readonly transaction?: RunInTransaction<Tx> | undefined
  /**
   * The catalogue of typed events: data is checked, and what a schema refuses is given up. A handler that matches none
   * of its events is refused. Default: any events.
   */
  readonly events?: Events | undefined
  /** Where warnings and errors go: `console`, or `structuredLogger(pino())`; false = nowhere. Default: standard error. */
  readonly logger?: LoggerOption | undefined
  /** What is done around handlers, such as `openTelemetry(api)`. Default: nothing. */
  readonly hooks?: HandlerHooks | undefined
}

/** What `resolveHandling` checks. */
export const HANDLING = {
  ...{ name: anything(), inbox: anything(), logger: anything() },
  ...{
    handlers: anything('handlers by type'),
    store: anything('a store, such as postgres({ pool }), or leave it out'),
  },
  ...{ transaction: anything('(work) => db.transaction(work), or leave it out') },
  ...{ events: anything('a catalogue, or leave it out') },
  /** What is done around handlers, such as `openTelemetry(api)`. Default: nothing. */
  hooks: withOneOf<HandlerHooks>('hooks, such as openTelemetry(api)', 'decode', 'aroundHandler'),
}

const DAY = 24 * 60 * 60 * 1_000

/** How a consumer works. */
export const CONSUMER = {
  /** Events handled at once, 1 to 1,000; those of one key never are. Default 10. */
  concurrency: integer(10, { min: 1, max: 1_000 }),
  /** Messages in memory, being handled or waiting, up to 100,000. Default: 20 x `concurrency`. */
  maxInHand: integer(undefined, { min: 1, max: 100_000 }),
  /** Waits between attempts. Default: exponential, 2 s to 15 min, half of it random: 12 take at least half an hour. */
  retry: retryOption({ base: 2_000, cap: 900_000 }),
  /** Attempts after the first, 0 to 1,000, before a message is given up. Outages cost none. Default 12. */
  maxRetries: integer(DEFAULT_RETRIES, { min: 0, max: 1_000 }),
  /**
   * How many processes in a row may die while handling an event alone before it is given up, since it may be what kills
   * them. With `inbox: false`, where that is not known, half the number of times that the broker may deliver it.
   * Default 20.
   */
  maxDeliveries: integer(20, { min: 1, max: 1_000_000 }),
  /**
   * The handler's signal aborts after this time, in milliseconds. A handler that does not react is abandoned a second
   * later with `HANDLER_TIMEOUT`: its transaction is rolled back, and the event is tried again. Default 30,000.
   */
  handlerTimeout: duration(30_000),
  /** What becomes of a message that was given up: it is dead-lettered, or the consumer stops. Default `dead-letter`. */
  onGiveUp: oneOf('dead-letter', 'dead-letter', 'stop'),
  /** How long `stop` waits for handlers before their signals abort, in milliseconds. Default 10,000. */
  stopTimeout: duration(10_000, { min: 0 }),
  /**
   * Inbox entries older than this are deleted, in small batches, in milliseconds; null = never here. Default
   * 2,592,000,000 (30 days).
   */
  pruneInboxAfter: or(duration(30 * DAY, { min: 1_000, max: Number.MAX_SAFE_INTEGER }), null),
  /** Whether `start` rejects at once when the broker or the database is down. Default false: it waits for them. */
  failFast: flag(false),
}

/** What a consumer is made of. */
export interface ConsumerOptions<Tx = unknown, Events extends Catalogue | NoCatalogue = NoCatalogue>
  extends HandlingOptions<Tx, Events>,
    OptionsOf<typeof CONSUMER> {
  /** Where messages come from: `redisStreamsSubscription(...)`, `kafkaSubscription(...)` and so on. */
  readonly subscription: Subscription
}

/** Every option with its value. */
export type ConsumerSettings = ReturnType<typeof resolveConsumerSettings>

/** Checks all but what concerns handling. Throws `INVALID_OPTION` that lists every problem. */
export function resolveConsumerSettings(options: object) {
  checkGiven(options)
  const table = { ...HANDLING, subscription: anything(), ...CONSUMER }
  return readOptions('the consumer', table, options, (read, { refuse }) => {
    const { concurrency, maxInHand = 20 * concurrency } = read
    if (maxInHand < concurrency) {
      refuse('maxInHand', `is ${maxInHand}; give concurrency, ${concurrency}, or more`, maxInHand)
    }
    return { ...read, maxInHand }
  })
}

/** Checks that there are options, and a subscription. */
function checkGiven(options: { readonly subscription?: unknown } | undefined | null): void {
  if (typeof options !== 'object' || options === null) {
    throw invalid('options', options, 'are missing; give name, subscription, handlers and store')
  }
  const { subscription } = options
  if (subscription === undefined || subscription === null) {
    throw invalid('subscription', subscription, 'is missing; give where messages come from')
  }
  if (!hasMethods(subscription, ['open', 'receive', 'close'])) {
    throw invalid(
      'subscription',
      subscription,
      'has no open, receive and close; give redisStreamsSubscription(...) or another one',
    )
  }
}

/** What handling needs, checked. Throws `INVALID_OPTION`. */
export function resolveHandling<Tx, Events extends Catalogue | NoCatalogue>(
  options: HandlingOptions<Tx, Events>,
): HandlingParts<Tx> {
  const { name, handlers, events, logger, hooks } = options
  if (typeof name !== 'string' || name === '' || name.length > 100) {
    throw invalid('name', name, `is ${JSON.stringify(name)}; give 1 to 100 characters that stay the same for ever`)
  }
  return {
    consumer: name,
    handlers: new HandlerTable(handlers ?? {}, events as Catalogue | undefined),
    catalogue: events as Catalogue | undefined,
    once: resolveOnce(options),
    logger: resolveLogger('consumer', logger),
    hooks,
  }
}

function resolveOnce<Tx>({
  store,
  inbox,
  transaction,
}: Pick<HandlingOptions<Tx>, 'store' | 'inbox' | 'transaction'>): HandlingParts<Tx>['once'] {
  if (inbox === false) return null
  if (inbox !== undefined && !hasMethods(inbox, ['once', 'forget', 'prune'])) {
    throw invalid('inbox', inbox, `is ${showValue(inbox)}; give an Inbox, or false`)
  }
  if (transaction !== undefined && typeof transaction !== 'function') {
    throw invalid('transaction', transaction, `is ${showValue(transaction)}; give (work) => db.transaction(work)`)
  }
  if (store !== undefined && !hasMethods(store, ['transaction'])) {
    throw invalid('store', store, `is ${showValue(store)}; give a store, such as postgres({ pool })`)
  }
  if (inbox !== undefined) {
    // It runs work with any result: `TransactionResult` exists for the compiler only.
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
      'is missing; give a store, or inbox and transaction, or inbox: false to handle redelivered events again',
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
