import { BroadcasterError } from '../../errors.ts'
import type { DeliveryEvent } from '../../event/delivery-event.ts'
import type { OutgoingEvent } from '../../event/outgoing-event.ts'
import { ReceivedEvent } from '../../event/received-event.ts'
import { errorMessage } from '../../foundation/error-message.ts'
import { duration, flag, integer } from '../../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../../foundation/option-table.ts'
import { withOneOf } from '../../foundation/with-one-of.ts'
import { callHandler, decodedEvent, type HandlerHooks } from '../../handlers/handler-hooks.ts'
import { type HandlerProgress, type HandlerResult, readHandlerProgress } from '../../handlers/handler-progress.ts'
import { HandlerRegistry, type RegisteredHandler } from '../../handlers/handler-registry.ts'
import { type Backend, delivered, notAttempted, notDelivered, type SendResult } from '../backend.ts'
import { boundedCall } from '../bounded-call.ts'
import { Gate } from '../gate.ts'
import { rateOption } from '../rate.ts'
import { sendByKey } from '../send-by-key.ts'
import { classifySendError, OutageError } from '../send-error.ts'
import { timesOfEach } from '../send-times.ts'
import { combinedError, type HandlerFailure } from './combined-error.ts'

export const HANDLERS = {
  /** How long one handler may take for one event, in milliseconds. Default 5000. */
  timeout: duration(5_000),
  /** How many events are handled at once; those of one key never are. Default 10. */
  concurrency: integer(10, { min: 1, max: 10_000 }),
  /**
   * Run the handlers of an event one after the other inside the store's transaction that also settles it: their writes
   * on `tx` commit if and only if all of them succeed. Default false.
   */
  transactional: flag(false),
  /**
   * A handler that cannot reach what it calls (a network error such as ECONNREFUSED) is down: its events wait,
   * uncharged, until one of them succeeds, and other handlers go on. False = such an error is a failure that costs a
   * retry. Default true.
   */
  breakers: flag(true),
  /** What is done around handlers, such as `openTelemetry(api)`. Default: nothing. */
  hooks: withOneOf<HandlerHooks>('hooks, such as openTelemetry(api)', 'decode', 'aroundHandler'),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
export type HandlersOptions = OptionsOf<typeof HANDLERS>

/** The backend of local handlers, with the registry that it runs. */
export interface HandlersBackend<Events = Record<string, unknown>> extends Backend {
  /** Where handlers are registered. */
  readonly registry: HandlerRegistry<Events>
}

/**
 * Runs local handlers for each event in the worker process. All handlers of an event run at the same time, and one that
 * fails does not stop the others. The result, time and error of each are stored in the event's `progress`, and a retry
 * runs only those that have not succeeded. An event without a handler counts as delivered; a registry without any
 * handler is an outage, since the worker was started without them.
 */
export function handlers<Events = Record<string, unknown>>(
  registry: HandlerRegistry<Events> = new HandlerRegistry<Events>(),
  options: HandlersOptions = {},
): HandlersBackend<Events> {
  const { timeout, concurrency, transactional, breakers, hooks, rate } = readOptions('handlers()', HANDLERS, options)
  const gate = new Gate(concurrency)
  const messaging = { system: 'handlers' }

  /** Undefined: handlers get the event as it is. Otherwise decoded when a handler first needs it, within its time. */
  const readableOf = (event: OutgoingEvent, signal: AbortSignal): Readable => {
    const decode = hooks?.decode
    if (!decode) return undefined
    let decoding: Promise<DeliveryEvent> | undefined
    return () => (decoding ??= decodedEvent(decode, event, () => new ReceivedEvent(event.toEncodable()), signal))
  }

  const runOne = async (
    entry: RegisteredHandler,
    event: OutgoingEvent,
    readable: Readable,
    signal: AbortSignal,
    tx?: unknown,
  ): Promise<Run> => {
    const started = performance.now()
    const { attempt } = event
    const context = { tx, attempt, deliveries: attempt, position: `outbox ${event.recordId}` }
    try {
      await boundedCall(`handler '${entry.name}'`, timeout, signal, async (stop) => {
        const given = readable ? await readable() : event
        stop.throwIfAborted()
        await callHandler(hooks, entry.handler, given, { ...context, signal: stop }, () => ({
          consumer: entry.name,
          messaging,
        }))
      })
      return { name: entry.name, result: resultOf(started) }
    } catch (thrown) {
      const failure = { name: entry.name, error: breakers ? ofHandler(entry.name, thrown) : thrown }
      return { name: entry.name, result: resultOf(started, failure), failure }
    }
  }

  const handle = async (event: OutgoingEvent, signal: AbortSignal): Promise<SendResult> => {
    if (registry.size === 0) return noHandlers()
    const earlier = unfinished(readHandlerProgress(event.progress))
    const due = registry.handlersFor(event.type).filter(({ name }) => earlier.handlers[name]?.ok !== true)
    if (due.length === 0) return delivered
    const readable = readableOf(event, signal)
    return summary(earlier, await Promise.all(due.map((entry) => runOne(entry, event, readable, signal))))
  }

  const handleInTransaction = async (event: OutgoingEvent, tx: unknown, signal: AbortSignal): Promise<SendResult> => {
    if (registry.size === 0) return noHandlers()
    const runs: Run[] = []
    const readable = readableOf(event, signal)
    for (const entry of registry.handlersFor(event.type)) {
      const run = await runOne(entry, event, readable, signal, tx)
      // All or nothing: what the others wrote is rolled back, so their success is not remembered. And the database may
      // refuse every further statement once one has failed.
      if (run.failure) return summary({ handlers: {} }, [run])
      runs.push(run)
    }
    return summary({ handlers: {} }, runs)
  }

  /** The only handler that the event still needs: while that is down, the event is not tried. */
  const destination = (event: OutgoingEvent): string | undefined => {
    const earlier = transactional ? { handlers: {} } : readHandlerProgress(event.progress)
    const [only, ...more] = registry.handlersFor(event.type).filter(({ name }) => earlier.handlers[name]?.ok !== true)
    return more.length === 0 ? only?.name : undefined
  }

  return {
    registry,
    description: 'handlers of this process',
    messaging,
    ...(breakers && { destination }),
    capabilities: { ordersWithinSend: true },
    rate,
    ...timesOfEach(timeout),
    send: (events, signal, context) =>
      sendByKey(events, signal, (event) =>
        gate.run(async () => {
          if (signal.aborted || context?.mayBegin() === false) return notAttempted
          return handle(event, signal)
        }),
      ),
    ...(transactional ? { sendInTransaction: handleInTransaction } : {}),
    healthCheck: async () =>
      registry.size === 0
        ? { healthy: false, detail: 'no handler is registered in this process' }
        : { healthy: true, latency: 0, detail: `${registry.size} handlers` },
    close: async () => undefined,
  }
}

/**
 * The part of an event's progress that still counts: none when all handlers succeeded. The event was then published,
 * and somebody made it pending again, by `replay` or by SQL, so that it is handled again.
 */
function unfinished(progress: HandlerProgress): HandlerProgress {
  return Object.values(progress.handlers).every(({ ok }) => ok) ? { handlers: {} } : progress
}

/** The event as handlers get it, the same for all of them. */
type Readable = (() => Promise<DeliveryEvent>) | undefined

interface Run {
  readonly name: string
  readonly result: HandlerResult
  readonly failure?: HandlerFailure
}

/** A network error of a handler is an outage of whatever that handler calls. */
function ofHandler(name: string, error: unknown): unknown {
  if (error instanceof BroadcasterError || classifySendError(error).kind !== 'outage') return error
  return new OutageError(errorMessage(error), { cause: error, destination: name })
}

function noHandlers(): SendResult {
  return notDelivered(
    new OutageError('no handler is registered in this process; register them before the worker starts', {
      field: 'registry',
    }),
  )
}

/** The most of an error that is stored for each handler, in characters. */
const STORED_ERROR_LENGTH = 500

function resultOf(started: number, failure?: HandlerFailure): HandlerResult {
  const at = new Date().toISOString()
  const ms = Math.round(performance.now() - started)
  return failure
    ? { ok: false, at, ms, error: errorMessage(failure.error).slice(0, STORED_ERROR_LENGTH) }
    : { ok: true, at, ms }
}

function summary(earlier: HandlerProgress, runs: readonly Run[]): SendResult {
  const progress: HandlerProgress = {
    handlers: { ...earlier.handlers, ...Object.fromEntries(runs.map(({ name, result }) => [name, result])) },
  }
  const failures = runs.flatMap(({ failure }) => (failure ? [failure] : []))
  if (failures.length === 0) return { ok: true, progress }
  return { ok: false, error: combinedError(failures, failures.length < runs.length), progress }
}
