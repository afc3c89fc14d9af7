import { PermanentError } from '../backend/send-error.ts'
import { type Catalogue, checkData } from '../event/catalogue.ts'
import type { CloudEvent, EncodableEvent } from '../event/cloud-event.ts'
import { toCloudEvent } from '../event/encodable.ts'
import type { Inbox } from '../inbox/inbox.ts'
import { throwProblems } from '../problem.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { SignalName } from '../telemetry/signals.ts'
import type { EventContext, HandlerTable, ReceivedEvent } from './event-handlers.ts'

/** What became of an event: its handlers ran, it was handled before, or it has no handler. */
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
export interface Ran<Tx> {
  readonly tx?: Tx
}

/**
 * The same, as an option: `(work) => db.transaction(work)`. Since `work` takes any transaction, the compiler learns from
 * what comes back which one your library gave, and handlers get that type.
 */
export type RunInTransaction<Tx> = (work: <Given>(tx: Given) => Promise<Ran<Given>>) => Promise<Ran<Tx>>

/** How a consumer handles an event once. */
export interface HandlingParts<Tx> {
  readonly consumer: string
  readonly handlers: HandlerTable
  readonly catalogue: Catalogue | undefined
  /** Null: every delivery is handled, without a transaction. */
  readonly once: { readonly inbox: Inbox<Tx>; readonly transaction: RunTransaction<Tx> } | null
  readonly logger: Logger | undefined
}

/** Something failed before the handlers were asked, or after they had succeeded: not the handlers' doing. */
export class TransactionFailure extends Error {
  override readonly name = 'TransactionFailure'
  /** Whether the handlers had run: then it was the commit, or what is checked at the commit. */
  readonly handlersRan: boolean
  constructor(cause: unknown, handlersRan: boolean) {
    super('the transaction of an event failed', { cause })
    this.handlersRan = handlersRan
  }
}

/**
 * Handles one event: checks its data by the catalogue and runs its handlers, one after the other, in one transaction
 * with the inbox. Throws what a handler threw, a `PermanentError` for data that its schema refuses, or a
 * `TransactionFailure`.
 */
export async function handleOnce<Tx>(
  parts: HandlingParts<Tx>,
  received: EncodableEvent,
  context: Omit<EventContext, 'tx'>,
): Promise<Handled> {
  const handlers = parts.handlers.of(String(received.attributes['type']))
  if (handlers.length === 0) return 'ignored'
  const event = await checked(parts.catalogue, received)
  const run = async (tx: unknown): Promise<void> => {
    for (const handler of handlers) await handler(event as ReceivedEvent, { ...context, tx })
  }
  if (parts.once === null) {
    await run(undefined)
    return 'handled'
  }
  const { inbox, transaction } = parts.once
  const progress: { handlers: 'waiting' | 'running' | 'done'; ran: boolean } = { handlers: 'waiting', ran: false }
  try {
    await transaction(async (tx) => {
      // Some libraries run a transaction that lost a race once more.
      progress.handlers = 'waiting'
      progress.ran = await inbox.once(tx, parts.consumer, event, async () => {
        progress.handlers = 'running'
        await run(tx)
        progress.handlers = 'done'
      })
    })
  } catch (error) {
    if (progress.handlers === 'running') throw error
    throw new TransactionFailure(error, progress.handlers === 'done')
  }
  return progress.ran ? 'handled' : 'duplicate'
}

async function checked(catalogue: Catalogue | undefined, received: EncodableEvent): Promise<CloudEvent> {
  const event = toCloudEvent(received)
  if (catalogue === undefined) return event
  const { data, problems } = await checkData(catalogue, 'allow', event.type, event.data, '')
  try {
    throwProblems('the received event', problems)
  } catch (cause) {
    throw new PermanentError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
  return data === event.data ? event : { ...event, data }
}
