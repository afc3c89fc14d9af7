import { BroadcasterError } from '../errors.ts'
import { flag, hasMethods } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { showValue } from '../foundation/problem.ts'

/** The level of a line. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** A logger of pino's shape: fields, then a text for people. */
export type ObjectLogger = {
  /** Takes a line of this level. */
  readonly [Level in LogLevel]: (fields: Record<string, unknown>, text: string) => void
}

export const STRUCTURED_LOGGER = {
  /** Whether lines name the partition keys of events (`key`), in place of their hash (`keyHash`). Default false. */
  keys: flag(false),
  /** Whether each send and each settle has a line. Default false. */
  batches: flag(false),
  /**
   * Whether each single event that is created, published, blocked or handled has a line. The relay then reads each row once more.
   * Default false.
   */
  events: flag(false),
}
/** Options of `structuredLogger()`. */
export type StructuredLoggerOptions = OptionsOf<typeof STRUCTURED_LOGGER>

/** For the option `logger`; `structuredLogger` makes it. */
export class StructuredLogger {
  /** Where lines go. */
  readonly target: ObjectLogger
  /** What they contain. */
  readonly options: { readonly keys: boolean; readonly batches: boolean; readonly events: boolean }

  constructor(target: ObjectLogger, options: StructuredLoggerOptions = {}) {
    if (!hasMethods(target, ['debug', 'info', 'warn', 'error'])) {
      throw new BroadcasterError(
        'INVALID_OPTION',
        `structuredLogger(): its logger is ${showValue(target)}; give one of pino's shape, with debug(), info(), warn() and error()`,
        { field: 'logger', value: target },
      )
    }
    this.target = target
    this.options = readOptions('structuredLogger()', STRUCTURED_LOGGER, options)
  }
}

/**
 * For the option `logger` of a Broadcaster, a Consumer or a webhook receiver: each line is an object with a stable `event`, such as
 * `broadcaster.event.failed`, with ids, names and durations as fields of their own, and a text for people. `docs/logs.md` lists them.
 * Throws `INVALID_OPTION`.
 *
 * @example new Broadcaster({ store, backends, logger: structuredLogger(pino()) })
 */
export function structuredLogger(logger: ObjectLogger, options: StructuredLoggerOptions = {}): StructuredLogger {
  return new StructuredLogger(logger, options)
}
