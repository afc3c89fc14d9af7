import { BroadcasterError } from '../errors.ts'
import { showValue } from '../foundation/problem.ts'
import { StructuredLogger } from './structured-logger.ts'

/** Where lines for people go: `console`, or a logger of the shape of pino's or winston's. */
export interface Logger {
  /** Takes a line that a person should see, but need not act on at once. */
  warn(line: string): void
  /** Takes a line about something that went wrong. */
  error(line: string): void
}

/** The option `logger`: lines, or objects (`structuredLogger`); undefined = lines on standard error; false = nowhere. */
export type LoggerOption = Logger | StructuredLogger | false

/**
 * The logger of an option; undefined = log nothing. `owner` names the option in the message: `Broadcaster`. Throws
 * `INVALID_OPTION` for anything that has no `warn` and `error`.
 */
export function resolveLogger(owner: string, given: unknown): Logger | StructuredLogger | undefined {
  if (given === false) return undefined
  if (given === undefined) return standardError
  if (given instanceof StructuredLogger || isLogger(given)) return given
  throw new BroadcasterError(
    'INVALID_OPTION',
    `${owner}.logger is ${showValue(given)}; give an object with warn() and error(), such as console, structuredLogger(pino()), or false`,
    { field: 'logger', value: given },
  )
}

function isLogger(given: unknown): given is Logger {
  if (typeof given !== 'object' || given === null) return false
  const { warn, error } = given as { readonly [name: string]: unknown }
  return typeof warn === 'function' && typeof error === 'function'
}

/** Both methods of Node's console write to standard error. */
const standardError: Logger = {
  warn: (line) => console.warn(`${new Date().toISOString()} ${line}`),
  error: (line) => console.error(`${new Date().toISOString()} ${line}`),
}
