import { PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { type Catalogue, checkData } from '../event/catalogue.ts'
import type { EncodableEvent } from '../event/cloud-event.ts'
import type { DeliveryEvent } from '../event/delivery-event.ts'
import type { Messaging } from '../event/messaging.ts'
import { ReceivedEvent } from '../event/received-event.ts'
import { errorMessage } from '../foundation/error-message.ts'
import { throwProblems } from '../foundation/problem.ts'
import { waitFor } from '../foundation/waiting.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import { callHandler, decodedEvent, type HandlerHooks } from '../handlers/handler-hooks.ts'
import type { Inbox } from '../inbox/inbox.ts'
import { lentHandle } from '../store/lent-handle.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { SignalName } from '../telemetry/signals.ts'
import type { StructuredLogger } from '../telemetry/structured-logger.ts'
import type { HandlerTable } from './event-handlers.ts'

/** What became of an event: its handlers ran, it had been handled before, or it has no handler. */
export type Handled = 'handled' | 'duplicate' | 'ignored'

/** The signal of each. */
export const OUTCOME_SIGNALS = {
  handled: 'delivery.handled',
  duplicate: 'delivery.duplicate',
  ignored: 'delivery.ignored',
} as const satisfies Record<Handled, SignalName>

/** Runs work in a transaction of the user's database: committed when it resolves, rolled back when it throws. */
export type RunTransaction<Tx> = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>

/** What `RunInTransaction` resolves with: nothing but the type of its transaction. */
export interface TransactionResult<Tx> {
  /** Never there at run time. */
  readonly tx?: Tx
}

/**
 * The same, as an option: `(work) => db.transaction(work)`. Since `work` takes any transaction, the compiler learns
 * from what is returned which type your library gave, and handlers get that type.
 */
export type RunInTransaction<Tx> = (
  work: <Given>(tx: Given) => Promise<TransactionResult<Given>>,
) => Promise<TransactionResult<Tx>>

/** How a consumer handles an event once. */
export interface HandlingParts<Tx> {
  readonly consumer: string
  readonly handlers: HandlerTable
  readonly catalogue: Catalogue | undefined
  /** Null: every delivery is handled, without a transaction. */
  readonly once: { readonly inbox: Inbox<Tx>; readonly transaction: RunTransaction<Tx> } | null
  readonly logger: Logger | StructuredLogger | undefined
  /** Default: none. */
  readonly hooks?: HandlerHooks | undefined
  /** What the subscription says it reads. Default: nothing. */
  readonly messaging?: () => Messaging | undefined
}

/** Something failed before the handlers were called, or after they had succeeded: not the handlers' fault. */
export class TransactionFailedError extends Error {
  override readonly name = 'TransactionFailedError'
  /** Whether the handlers had run: then the commit failed, or what is checked at the commit. */
  readonly handlersRan: boolean
  constructor(cause: unknown, handlersRan: boolean) {
    super('the transaction of an event failed', { cause })
    this.handlersRan = handlersRan
  }
}

/** How long a handler may take to end after its signal has aborted, in ms; its transaction is then rolled back. */
const HANDLER_GRACE = 1_000
/** The same for the attempt as a whole: a library's rollback may wait for a statement that hangs. */
const ATTEMPT_GRACE = 2_000

/**
 * Handles one event: checks its data by the catalogue and runs its handlers, one after the other, in one transaction
 * with the inbox. Throws what a handler threw, a `PermanentError` for data that its schema refuses, `HANDLER_TIMEOUT` a
 * second after the signal has aborted, or a `TransactionFailedError`.
 */
export async function handleOnce<Tx>(
  parts: HandlingParts<Tx>,
  received: EncodableEvent,
  context: Omit<HandlerContext, 'tx'>,
): Promise<Handled> {
  const type = String(received.attributes['type'])
  const handlers = parts.handlers.of(type)
  if (handlers.length === 0) return 'ignored'
  const { signal } = context
  const { hooks, consumer } = parts
  const place = () => ({ consumer, messaging: parts.messaging?.() })
  let leftBehind = false
  const late = (): BroadcasterError => {
    const message = `the handlers of '${type}' went on after their signal had aborted (handlerTimeout); what they write on tx is rolled back`
    return new BroadcasterError('HANDLER_TIMEOUT', message)
  }
  /** In code of the user's, before the handlers. */
  const lateIn = (what: string) => (): BroadcasterError =>
    new BroadcasterError('HANDLER_TIMEOUT', `${what} did not answer in the time of the handlers (handlerTimeout)`)
  const limit = { signal, grace: HANDLER_GRACE }
  const given = new ReceivedEvent(received)
  const decoding = hooks?.decode && decodedEvent(hooks.decode, given, () => given, signal)
  const decoded = decoding ? await waitFor(decoding, limit, lateIn('the hook decode')) : given
  const event = await waitFor(checked(parts.catalogue, decoded), limit, lateIn(`the schema of '${type}'`))
  const run = async (tx: unknown): Promise<void> => {
    // pg, postgres.js and Drizzle let it write after its end, on a connection that is by then in another transaction.
    const lent = isHandle(tx) ? lentHandle(tx) : undefined
    try {
      for (const handler of handlers) {
        // Its transaction began after we had given up on it.
        if (leftBehind) throw late()
        const handled = callHandler(hooks, handler, event, { ...context, tx: lent?.handle ?? tx }, place)
        await waitFor(handled, limit, late)
      }
    } finally {
      lent?.end()
    }
  }
  if (parts.once === null) {
    await run(undefined)
    return 'handled'
  }
  const { inbox, transaction } = parts.once
  const progress: { handlers: 'waiting' | 'running' | 'done'; ran: boolean } = { handlers: 'waiting', ran: false }
  const attempt = async (): Promise<void> =>
    transaction(async (tx) => {
      // Some libraries run a transaction again that lost a race.
      progress.handlers = 'waiting'
      progress.ran = await inbox.once(tx, parts.consumer, event, async () => {
        progress.handlers = 'running'
        await run(tx)
        progress.handlers = 'done'
      })
    })
  try {
    await waitFor(attempt(), { signal, grace: ATTEMPT_GRACE }, () => {
      leftBehind = true
      return late()
    })
  } catch (error) {
    if (progress.handlers === 'running') throw error
    throw new TransactionFailedError(error, progress.handlers === 'done')
  }
  return progress.ran ? 'handled' : 'duplicate'
}

/** Knex's transaction is a function. */
function isHandle(tx: unknown): tx is object {
  return (typeof tx === 'object' && tx !== null) || typeof tx === 'function'
}

async function checked(catalogue: Catalogue | undefined, event: ReceivedEvent): Promise<DeliveryEvent> {
  if (catalogue === undefined) return event
  const { data, problems } = await checkData(catalogue, 'allow', event.type, event.data, '')
  try {
    throwProblems('the received event', problems)
  } catch (cause) {
    throw new PermanentError(errorMessage(cause), { cause })
  }
  return data === event.data ? event : event.withData(data)
}
