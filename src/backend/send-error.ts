import { BroadcasterError, type ErrorDetails } from '../errors.ts'

/**
 * The backend cannot be reached, or refuses everything. The event keeps its retries and waits;
 * the breaker opens for all workers until a probe succeeds.
 */
export class OutageError extends BroadcasterError {
  override readonly name = 'OutageError'
  /** How long the backend asked us to wait, in milliseconds, if it said so. */
  readonly retryAfter: number | undefined
  /**
   * The destination behind the backend that is down, when it differs from what `Backend.destination` says for the
   * event.
   */
  readonly destination: string | undefined
  constructor(
    message: string,
    details: ErrorDetails & { readonly retryAfter?: number; readonly destination?: string } = {},
  ) {
    super('SEND_OUTAGE', message, details)
    this.retryAfter = details.retryAfter
    this.destination = details.destination
  }
}

/** This one event was refused for good: it becomes `failed` at once, whatever retries are left. */
export class PermanentError extends BroadcasterError {
  override readonly name = 'PermanentError'
  constructor(message: string, details: ErrorDetails = {}) {
    super('SEND_PERMANENT', message, details)
  }
}

/** This one event failed and counts as a retry; the next attempt waits at least `retryAfter` ms. */
export class RetryAfterError extends BroadcasterError {
  override readonly name = 'RetryAfterError'
  /** The least wait, in milliseconds. */
  readonly retryAfter: number
  constructor(message: string, details: ErrorDetails & { readonly retryAfter: number }) {
    super('SEND_FAILED', message, details)
    // Plain JavaScript may leave the details out; its error must still be reported.
    this.retryAfter = (details as typeof details | undefined)?.retryAfter ?? 0
  }
}

/** A package is not installed. No server was asked, so this is never reported as one that does not answer. */
export function isMissingDependency(error: unknown): error is BroadcasterError {
  return error instanceof BroadcasterError && error.code === 'MISSING_DEPENDENCY'
}

/** What a failed send means for the event. */
export type FailureClass =
  | { readonly kind: 'outage'; readonly retryAfter?: number; readonly destination?: string }
  | { readonly kind: 'permanent' }
  | { readonly kind: 'failure'; readonly retryAfter?: number }
  | { readonly kind: 'not-attempted' }

/** System error codes that mean "could not be reached", from Node's net, tls and dns modules. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
])

/**
 * The class of whatever a backend or handler threw, by error class and system error code;
 * never by message text. An unknown error is a failure of this one event.
 */
export function classifySendError(error: unknown): FailureClass {
  try {
    return classOf(error)
  } catch {
    // A getter of it threw.
    return { kind: 'failure' }
  }
}

function classOf(error: unknown): FailureClass {
  if (error instanceof OutageError) {
    const { retryAfter, destination } = error
    return { kind: 'outage', ...(retryAfter !== undefined && { retryAfter }), ...(destination && { destination }) }
  }
  if (error instanceof PermanentError) return { kind: 'permanent' }
  if (error instanceof RetryAfterError) return { kind: 'failure', retryAfter: error.retryAfter }
  if (error instanceof BroadcasterError) {
    if (error.code === 'SEND_NOT_ATTEMPTED') return { kind: 'not-attempted' }
    // Until the package is installed every event is refused.
    if (error.code === 'SEND_OUTAGE' || error.code === 'MISSING_DEPENDENCY') return { kind: 'outage' }
    if (error.code === 'SEND_PERMANENT') return { kind: 'permanent' }
  }
  if (hasUnreachableCode(error)) return { kind: 'outage' }
  return { kind: 'failure' }
}

function hasUnreachableCode(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string' && UNREACHABLE.has(at.code)) return true
    if (at instanceof AggregateError && at.errors.length > 0 && at.errors.every(hasUnreachableCode)) return true
  }
  return false
}
