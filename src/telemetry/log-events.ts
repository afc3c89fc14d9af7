import { countOf } from '../foundation/for-people.ts'
import type { SignalName, Signals } from './signals.ts'
import type { LogLevel, StructuredLogger } from './structured-logger.ts'

/** A line of a structured log. */
export interface LogEvent<Name extends SignalName> {
  /**
   * error: it ended badly, or a person must act. warn: it went wrong, and is tried again or goes on. info: something began, ended or is
   * well again. debug: each batch or event, where asked for.
   */
  readonly level: LogLevel
  /** Which option asks for it. Default: it is always written. */
  readonly when?: keyof StructuredLogger['options']
  /** For people, where `LINES` has none. Undefined = nothing to say. */
  readonly text?: (message: Signals[Name]) => string | undefined
}

const lanes = (count: number, of: string): string => `${countOf(count, 'lane')} of ${of}`
const times = (rounded: number): string => `${Math.round(rounded)} ms`

/** One for each signal that has a line; its `event` is `broadcaster.` and the signal's name. `docs/logs.md` lists the same; a test compares. */
export const LOG_EVENTS: { readonly [Name in SignalName]?: LogEvent<Name> } = {
  'event.created': { level: 'debug', when: 'events', text: () => 'an event was created' },
  'event.duplicate': { level: 'debug', when: 'events', text: () => 'an event was there already' },
  'event.published': { level: 'debug', when: 'events', text: ({ backend }) => `an event was published to ${backend}` },
  'event.retried': { level: 'warn' },
  'event.failed': { level: 'error' },
  'event.blocked': { level: 'debug', when: 'events', text: () => 'an event waits behind one that failed for good' },
  'batch.sent': {
    level: 'debug',
    when: 'batches',
    text: ({ backend, sent, delivered, duration }) =>
      `${delivered} of ${countOf(sent, 'event')} acknowledged by ${backend} in ${times(duration)}`,
  },
  'batch.settled': { level: 'debug', when: 'batches', text: ({ backend }) => `outcomes of ${backend} were recorded` },
  'backend.down': { level: 'error' },
  'backend.up': { level: 'info' },
  'backend.unserved': { level: 'warn' },
  'destination.down': { level: 'error' },
  'destination.up': { level: 'info' },
  'lane.gained': {
    level: 'info',
    text: ({ worker, backend, lanes: of }) => `${worker} took ${lanes(of.length, backend)}`,
  },
  'lane.lost': {
    level: 'warn',
    // What is given back is no loss.
    text: ({ worker, backend, lanes: of, reason }) =>
      reason === 'released' ? `${worker} gave back ${lanes(of.length, backend)}` : undefined,
  },
  'worker.started': { level: 'info', text: ({ worker, backends }) => `${worker} started for ${backends.join(', ')}` },
  'worker.stopped': { level: 'info', text: ({ worker }) => `${worker} stopped` },
  'worker.error': { level: 'warn' },
  'store.down': { level: 'error' },
  'store.up': { level: 'info' },
  'retention.finished': {
    level: 'info',
    text: ({ worker, events, inbox, duration }) =>
      events + inbox === 0
        ? undefined
        : `${worker} deleted ${countOf(events, 'expired event')} and ${inbox} of the inbox in ${times(duration)}`,
  },
  'listener.failed': { level: 'error' },
  'consumer.started': { level: 'info', text: ({ consumer }) => `consumer ${consumer} started` },
  'consumer.stopped': { level: 'info', text: ({ consumer }) => `consumer ${consumer} stopped` },
  'consumer.error': { level: 'warn' },
  'consumer.gap': { level: 'error' },
  'delivery.handled': {
    level: 'debug',
    when: 'events',
    text: ({ consumer }) => `consumer ${consumer} handled an event`,
  },
  'delivery.duplicate': {
    level: 'debug',
    when: 'events',
    text: ({ consumer }) => `consumer ${consumer} had handled an event before`,
  },
  'delivery.ignored': {
    level: 'debug',
    when: 'events',
    text: ({ consumer }) => `consumer ${consumer} has no handler for an event`,
  },
  'delivery.retried': { level: 'warn' },
  'delivery.failed': { level: 'error' },
}
