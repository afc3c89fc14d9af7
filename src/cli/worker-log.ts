import { stringifyJson } from '../event/json.ts'
import { errorPattern } from '../foundation/error-pattern.ts'
import { countOf, formatDuration } from '../foundation/for-people.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import { logFields } from '../telemetry/log-fields.ts'
import { moreLikeIt, Repeats } from '../telemetry/repeats.ts'
import { onSignal, type SignalMessage, type SignalName } from '../telemetry/signals.ts'
import type { Screen } from './screen.ts'
import type { Colour } from './terminal.ts'

/** How often a line tells how many events were published, in milliseconds. */
const SUMMARY_INTERVAL = 5_000
/**
 * How long the same trouble is only counted after it was reported, in milliseconds: an outage of a night must not fill
 * the disk.
 */
const QUIET = 10_000

type Lines = { readonly [Name in SignalName]?: (message: SignalMessage<Name>) => string | undefined }

/** What a person reads of each signal. Those of single published events only when asked for. */
const LINES: Lines = {
  'event.retried': ({ record, backend, retryCount, delay, error }) =>
    `${named(record)} failed at ${backend} (attempt ${retryCount} of ${record.maxRetries}, next in ${formatDuration(delay)}): ${messageOf(error)}`,
  'event.failed': ({ record, backend, blocks, error }) =>
    `${named(record)} FAILED for good at ${backend}${blocks && record.partitionKey !== null ? `; key ${record.partitionKey} waits` : ''}: ${messageOf(error)}`,
  'backend.down': ({ backend, error }) => `backend ${backend} is DOWN: ${messageOf(error)}`,
  'backend.up': ({ backend }) => `backend ${backend} is up again`,
  'backend.unserved': ({ backend }) => `events wait for the backend ${backend}, which NO WORKER serves`,
  'destination.down': ({ backend, destination, error }) => `${destination} of ${backend} is DOWN: ${messageOf(error)}`,
  'destination.up': ({ backend, destination }) => `${destination} of ${backend} is up again`,
  'lane.gained': ({ backend, lanes }) => `took ${countOf(lanes.length, 'lane')} of ${backend}`,
  'lane.lost': ({ backend, lanes, reason }) =>
    reason === 'released'
      ? `gave back ${countOf(lanes.length, 'lane')} of ${backend}`
      : `LOST ${countOf(lanes.length, 'lane')} of ${backend}: the lease ended`,
  'worker.started': ({ worker, backends }) => `worker ${worker} started for ${backends.join(', ')}`,
  'worker.stopped': ({ worker }) => `worker ${worker} stopped`,
  'worker.error': ({ error }) => `error: ${messageOf(error)}`,
  'store.down': ({ error }) => `the database is DOWN: ${messageOf(error)}`,
  'store.up': () => 'the database is back',
  'listener.failed': ({ signal, error }) => `a listener of the signal ${signal} threw: ${messageOf(error)}`,
  'events.purged': ({ count }) => `purged ${countOf(count, 'settled event')}`,
}

/** Trouble that comes by the thousand, and what makes two of them the same: the error without its numbers, ids and quoted values. */
const TOPICS: { readonly [Name in SignalName]?: (message: SignalMessage<Name>) => string } = {
  'event.retried': ({ backend, error }) => `${backend} ${errorPattern(messageOf(error))}`,
  'worker.error': ({ error }) => errorPattern(messageOf(error)),
  'listener.failed': ({ signal, error }) => `${signal} ${errorPattern(messageOf(error))}`,
}

const COLOURS: { readonly [Name in SignalName]?: Colour } = {
  'event.retried': 'yellow',
  'event.failed': 'red',
  'backend.down': 'red',
  'backend.up': 'green',
  'backend.unserved': 'yellow',
  'destination.down': 'red',
  'destination.up': 'green',
  'lane.lost': 'yellow',
  'worker.error': 'red',
  'listener.failed': 'red',
  'store.down': 'red',
  'store.up': 'green',
}

/** The signals that a busy worker sends for single events by the thousand. */
const VERBOSE_ONLY: readonly SignalName[] = ['event.published', 'event.blocked']

/** What a worker that makes single passes does at each of them. */
const EVERY_PASS: readonly SignalName[] = ['lane.gained', 'lane.lost']

const NAMES = [...Object.keys(LINES), 'batch.sent', ...VERBOSE_ONLY] as readonly SignalName[]

/**
 * Prints what the workers of these outboxes do, each line with the name of its outbox when there are several: lines for
 * people, or with `json` one JSON object a line. Published events are counted every few seconds, and so is the same trouble
 * after it was reported; `verbose` prints each. `passes`: the worker takes its lanes again at each pass. Returns the
 * function that stops it and prints the last count.
 */
export function startWorkerLog(
  outboxes: readonly string[],
  terminal: Screen,
  options: { readonly json: boolean; readonly verbose: boolean; readonly passes: boolean },
): () => void {
  const { json, verbose, passes } = options
  const quiet = new Set(verbose ? [] : [...VERBOSE_ONLY, ...(passes ? EVERY_PASS : [])])
  const ours = new Set(outboxes)
  const from = (outbox: string): string => (ours.size > 1 ? `${outbox}: ` : '')
  let published = 0
  let since = performance.now()
  const line = (text: string, colour?: Colour): void => terminal.out(`${new Date().toISOString()} ${text}`, colour)
  const repeats = new Repeats<readonly [text: string, colour: Colour | undefined]>(QUIET, ([text, colour], unsaid) =>
    line(text + moreLikeIt(unsaid), colour),
  )
  const summarise = (): void => {
    if (published > 0)
      line(`published ${countOf(published, 'event')} in the last ${formatDuration(performance.now() - since)}`)
    published = 0
    since = performance.now()
  }
  const print = <Name extends SignalName>(name: Name, message: SignalMessage<Name>): void => {
    if (!ours.has(message.outbox) || quiet.has(name)) return
    if (json) {
      // As in structured logs: keys only as a hash, and nothing of the data.
      const fields = logFields(name, message, { outbox: message.outbox, keys: false })
      terminal.verbatim(stringifyJson({ at: new Date().toISOString(), ...fields }))
      return
    }
    if (name === 'batch.sent') published += (message as SignalMessage<'batch.sent'>).delivered
    const text = LINES[name]?.(message)
    if (text !== undefined) {
      const topic = verbose ? undefined : TOPICS[name]?.(message)
      const said = [from(message.outbox) + text, COLOURS[name]] as const
      if (topic === undefined) line(...said)
      else repeats.tell(`${name} ${message.outbox} ${topic}`, said)
    } else if ('record' in message && verbose) line(`${from(message.outbox)}${name.slice(6)} ${named(message.record)}`)
  }
  const stops = NAMES.map((name) => onSignal(name, (message) => print(name, message)))
  const timer = setInterval(summarise, SUMMARY_INTERVAL)
  return () => {
    clearInterval(timer)
    for (const stop of stops) stop()
    repeats.flush()
    if (!json) summarise()
  }
}

function named({ eventType, eventId }: OutboxEvent): string {
  return `${eventType} ${eventId}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
