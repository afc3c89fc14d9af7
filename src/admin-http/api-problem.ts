import { BroadcasterError, type ErrorCode } from '../errors.ts'
import type { ProblemAnswer } from './api-types.ts'

/** Each code of a problem: the status it comes with, and its title. */
export const PROBLEMS = {
  BAD_REQUEST: [400, 'The request cannot be read'],
  INVALID_FILTER: [400, 'The filter has a mistake'],
  INVALID_CURSOR: [400, 'The cursor is not one of ours'],
  UNAUTHENTICATED: [401, 'Log in first'],
  FORBIDDEN: [403, 'You have no right to this'],
  CSRF: [403, 'The request does not prove where it comes from'],
  NOT_LOCAL: [403, 'Only this machine may ask'],
  NOT_FOUND: [404, 'There is nothing here'],
  METHOD_NOT_ALLOWED: [405, 'This method is not known here'],
  SLOW_BODY: [408, 'The body took too long'],
  CONFLICT: [409, 'The event is not in a state for this'],
  TOO_LARGE: [413, 'The body is too large'],
  ADDRESS_TOO_LONG: [414, 'The address is too long'],
  UNSUPPORTED_TYPE: [415, 'Only JSON is read here'],
  HEADER_TOO_LARGE: [431, 'A header is too large'],
  TOO_MANY: [429, 'Too many requests'],
  BODY_TAKEN: [500, 'The admin is mounted behind a body parser'],
  UNEXPECTED: [500, 'Something went wrong'],
  NOT_THERE: [501, 'This server does not have it'],
  UNAVAILABLE: [503, 'The outbox cannot answer'],
  TIMEOUT: [503, 'The outbox did not answer in time'],
} as const satisfies Readonly<Record<string, readonly [status: number, title: string]>>

/** The code of a problem. */
export type ProblemCode = keyof typeof PROBLEMS

/** What a problem says besides its code and sentence. */
export type ProblemDetails = Pick<ProblemAnswer, 'field' | 'at' | 'end' | 'retryAfter'> & {
  /** Headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Why a call is not done; its `message` is for whoever called. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ProblemCode
  readonly details: ProblemDetails

  constructor(code: ProblemCode, detail: string, details: ProblemDetails = {}) {
    super(detail)
    this.code = code
    this.details = details
  }
}

/** Codes of what is wrong with an input. */
const INPUT: ReadonlySet<ErrorCode> = new Set([
  'INVALID_OPTION',
  'INVALID_EVENT',
  'INVALID_DATA',
  'EVENT_TOO_LARGE',
  'UNKNOWN_EVENT_TYPE',
])

/** What is thrown anywhere, as a problem: what we said of an input or a database is told, of a stranger nothing. */
export function problemOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (!(error instanceof BroadcasterError)) {
    return new ApiError('UNEXPECTED', 'The log of the server says what; its line has the same time.')
  }
  const { code, message, field, retryable } = error
  const of = field === undefined ? {} : { field }
  if (INPUT.has(code)) return new ApiError('BAD_REQUEST', message, of)
  if (code === 'UNKNOWN_BACKEND') return new ApiError('NOT_FOUND', message, of)
  if (code === 'DOES_NOT_EXIST') return new ApiError('NOT_FOUND', message, of)
  if (code === 'ILLEGAL_STATUS_MOVE' || code === 'EVENT_IN_HAND') return new ApiError('CONFLICT', message, of)
  if (retryable)
    return new ApiError('UNAVAILABLE', `The outbox cannot answer now (${code}); try again.`, { retryAfter: 1_000 })
  return new ApiError('UNAVAILABLE', `The outbox cannot answer (${code}); \`broadcaster doctor\` says why.`)
}

/** The problem as it goes over the wire. */
export function problemAnswer({ code, message, details }: ApiError): ProblemAnswer {
  const [status, title] = PROBLEMS[code]
  const { headers: _, retryAfter, ...rest } = details
  const wait = retryAfter === undefined ? {} : { retryAfter: Math.ceil(retryAfter) }
  return { type: 'about:blank', title, status, code, detail: message, ...rest, ...wait }
}
