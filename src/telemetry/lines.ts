import { describeError } from '../foundation/describe-error.ts'
import { printable } from '../foundation/printable.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { SignalName, Signals } from './signals.ts'

/** A line of a log for people. */
export interface LogLine {
  readonly level: 'warn' | 'error'
  readonly text: string
  /** Lines of one signal and topic share a limit: the backend or consumer, and what kind of error. */
  readonly topic: string
}

type Lines = { readonly [Name in SignalName]?: (message: Signals[Name]) => LogLine | undefined }

/** One line at most per signal and topic in this time, in ms. */
export const QUIET = 10_000

const warn = (topic: string, text: string): LogLine => ({ level: 'warn', topic, text })
const error = (topic: string, text: string): LogLine => ({ level: 'error', topic, text })

/** Each is an event that is not tried again, so a line names it; only a flood of them is counted. */
const FOR_GOOD: ReadonlySet<SignalName> = new Set(['event.failed', 'delivery.failed'])
const MOST_FOR_GOOD = 100

/** How many lines of this signal and one topic are written in `QUIET`. */
export function mostLines(name: SignalName): number {
  return FOR_GOOD.has(name) ? MOST_FOR_GOOD : 1
}

/** After these nothing may come for long. */
export const ENDS: ReadonlySet<SignalName> = new Set(['worker.stopped', 'consumer.stopped'])

/** What a person must know without asking: what went wrong, and that it works again. */
export const LINES: Lines = {
  'event.retried': ({ record, backend, retryCount, delay, error: why }) =>
    warn(
      backend,
      `${named(record)} failed at ${backend}, attempt ${retryCount} of ${record.maxRetries}, next in ${Math.round(delay)} ms: ${describeError(why)}`,
    ),
  'event.failed': ({ record, backend, error: why }) =>
    error(backend, `${named(record)} FAILED for good at ${backend}: ${describeError(why)}`),
  'backend.down': ({ backend, error: why }) =>
    error(backend, `backend ${backend} is DOWN, its events wait: ${describeError(why)}`),
  'backend.up': ({ backend }) => warn(backend, `backend ${backend} is up again`),
  'backend.unserved': ({ backend }) =>
    warn(backend, `events wait for the backend '${backend}', which no worker serves: start one that does`),
  'destination.down': ({ backend, destination, error: why }) =>
    error(`${backend} ${destination}`, `${destination} of ${backend} is DOWN, its events wait: ${describeError(why)}`),
  'destination.up': ({ backend, destination }) =>
    warn(`${backend} ${destination}`, `${destination} of ${backend} is up again`),
  'lane.lost': ({ worker, backend, lanes, reason }) =>
    reason === 'released'
      ? undefined
      : warn(backend, `worker ${worker} lost ${lanes.length} lanes of ${backend}: its lease ended`),
  'worker.error': ({ worker, error: why }) =>
    warn(codeOf(why), `worker ${worker}: ${culprit(why)}${describeError(why)}`),
  'store.down': ({ worker, error: why }) =>
    error(worker, `worker ${worker} cannot use its database: ${describeError(why)}`),
  'store.up': ({ worker }) => warn(worker, `worker ${worker} can use its database again`),
  'consumer.error': ({ consumer, error: why }) =>
    warn(`${consumer} ${codeOf(why)}`, `consumer ${consumer}: ${describeError(why)}`),
  'consumer.gap': ({ consumer, error: why }) =>
    error(consumer, `consumer ${consumer} missed messages that are gone: ${describeError(why)}`),
  'delivery.retried': ({ consumer, event, attempt, delay, error: why }) =>
    warn(
      consumer,
      `consumer ${consumer}: ${event.type} ${event.id} failed, attempt ${attempt}, next in ${Math.round(delay)} ms: ${describeError(why)}`,
    ),
  'delivery.failed': ({ consumer, event, error: why }) =>
    error(
      consumer,
      `consumer ${consumer} GAVE UP ${event === undefined ? 'a message' : `${event.type} ${event.id}`}: ${describeError(why)}`,
    ),
  'listener.failed': ({ signal, error: why }) =>
    error(signal, `a listener of the signal ${signal} threw: ${describeError(why)}`),
}

function named(record: OutboxEvent): string {
  return record instanceof OutboxEvent ? `${record.eventType} ${record.eventId}` : 'an event'
}

function codeOf(why: unknown): string {
  return why instanceof Error && 'code' in why ? String(why.code) : ''
}

/** Whose trouble it is: a message such as "connection refused" does not say. */
function culprit(why: unknown): string {
  const code = codeOf(why)
  if (code.startsWith('STORE_') || code.startsWith('SCHEMA_')) return 'the database: '
  return ''
}

/** Control characters would let an error's text move the cursor or forge a line, and direction marks show it as another. */
export function onOneLine(text: string): string {
  return printable(text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' '))
}
