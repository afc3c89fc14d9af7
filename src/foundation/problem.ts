import { BroadcasterError, type ErrorCode } from '../errors.ts'
import { printable } from './printable.ts'

/** One thing wrong with an input. Checks collect all of them and throw once. */
export interface Problem {
  readonly code: ErrorCode
  /** The attribute, option or column, as the caller wrote it: `events[3].source`. */
  readonly field: string
  /** As given; undefined where it might be a secret. */
  readonly value: unknown
  /** What is wrong and what to do, continuing the field's name: `is missing; give ...`. */
  readonly message: string
  /** What was thrown, if anything. */
  readonly cause?: unknown
}

/** Throws `INVALID_OPTION` unless `options` is an object; `what` takes them (`webhook()`) and needs `names`. */
export function requireObject(what: string, options: unknown, names: readonly string[] = []): void {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return
  const message = `are ${showValue(options)}; give an object${names.length > 0 ? ` with ${names.join(' and ')}` : ''}`
  throwProblems(what, [{ code: 'INVALID_OPTION', field: 'options', value: undefined, message }])
}

/** How many problems one message spells out: a batch of thousands may have one each. */
const SHOWN = 20

/** Throws one error for all problems; does nothing when there are none. `what` begins the message: `the event`. */
export function throwProblems(what: string, problems: readonly Problem[]): void {
  const first = problems[0]
  if (first === undefined) return
  const lines = problems.slice(0, SHOWN).map((problem) => `${problem.field} ${problem.message}`)
  if (problems.length > SHOWN) lines.push(`and ${problems.length - SHOWN} more`)
  const list = lines.length === 1 ? ` ${lines[0]}` : `\n${lines.map((line) => `- ${line}`).join('\n')}`
  const { code, message: _, ...details } = first
  throw new BroadcasterError(code, `${what} is refused:${list}`, details)
}

/**
 * Like `showValue`, for what may hold a password: of a url neither user, password nor query is shown, of an object only
 * that it is one.
 */
export function showWithoutSecrets(value: unknown): string {
  if (typeof value === 'string') return showValue(withoutSecrets(value))
  if (typeof value !== 'object' || value === null) return showValue(value)
  if (!Array.isArray(value)) return 'an object'
  return showValue(value.map((each: unknown) => (typeof each === 'string' ? withoutSecrets(each) : typeof each)))
}

function withoutSecrets(text: string): string {
  // Up to the last @: a password may contain one, or a slash that was not escaped. And behind ? or =: a query, or a
  // connection string, `host=h password=p`.
  return text.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, '$1').replace(/[?=].*/s, '')
}

/** The most of a value that a message shows, in characters. */
const SHOWN_LENGTH = 80

/** A value as a message shows it: short, on one line. */
export function showValue(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function' || typeof value === 'symbol' || value === undefined) return typeof value
  let text: string | undefined
  try {
    // Only the shown part of a text is serialised.
    text = JSON.stringify(typeof value === 'string' ? value.slice(0, SHOWN_LENGTH) : value)
  } catch {
    text = undefined
  }
  text = printable(text ?? typeof value)
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH - 3)}...` : text
}
