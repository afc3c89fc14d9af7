import { isMissingDependency, OutageError, PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { errorMessage } from '../foundation/error-message.ts'

/** What an error of the client means. */
export interface PublishFailure {
  readonly error: BroadcasterError
  /** The connection is gone, or can no longer be trusted. */
  readonly broken: boolean
  /** The message was not stored: no stream has its subject, or JetStream is not there. */
  readonly noResponders: boolean
  /** The stream is full, as a whole or for one subject: the error does not say which. */
  readonly full: boolean
}

const FULL = 10077

/** The stream refuses this message, and always will: JetStream's `err_code`. */
const PERMANENT: Readonly<Record<number, string>> = {
  10054: "larger than the stream's max_msg_size",
  10097: 'its headers are larger than 64 KiB',
}

/** The stream refuses every message for now, besides all that JetStream itself reports as unavailable (status 503). */
const OUTAGE: Readonly<Record<number, string>> = {
  10002: "the account's JetStream resources are used up",
  10009: 'the server is not the leader',
  10028: "the account's memory is used up",
  10047: "the account's storage is used up",
  10059:
    'there is no such stream; create it, or have the backend do it by natsJetStream({ stream: { name, create: true } })',
  10077: 'the stream is full and discards new messages, or cannot store them',
  10109: 'the stream is sealed',
  10118: 'the stream is offline',
  10194: 'the stream is offline',
}

/** Errors of a server that has lost its cluster or is losing it: another server may still serve. */
const ELSEWHERE: ReadonlySet<number> = new Set([10004, 10008, 10009, 10041, 10118, 10194])
/** The subject belongs to another stream. */
const OTHER_STREAM = 10060

/** Errors of the client that mean that no answer came or will come. */
const CONNECTION: ReadonlySet<string> = new Set([
  'TimeoutError',
  'ClosedConnectionError',
  'DrainingConnectionError',
  'ConnectionError',
  'RequestError',
  'ProtocolError',
  'AuthorizationError',
  'UserAuthenticationExpiredError',
])

/**
 * The class of an error, by JetStream's `err_code` and by the names of the client's error classes: an injected
 * connection may come from another copy of the package, whose classes are not ours. `eachOwnSubject`: the subject
 * follows from the event, so what is said of a subject is said of the events that have it.
 */
export function failureOf(error: unknown, eachOwnSubject = true): PublishFailure {
  const result = (made: BroadcasterError, broken = false, noResponders = false, full = false): PublishFailure => ({
    error: made,
    broken,
    noResponders,
    full,
  })
  const chain = chainOf(error)
  const said = errorMessage(error)
  const names = new Set(chain.map(({ name }) => name))
  for (const each of chain) {
    const { code, status } = each as { readonly code?: unknown; readonly status?: unknown }
    if (typeof code !== 'number' || typeof status !== 'number') continue
    const text = `JetStream refused the event: ${each.message} [${code}]`
    const refused = PERMANENT[code]
    if (refused !== undefined) return result(new PermanentError(`${text} (${refused})`, { cause: error }))
    const advice = OUTAGE[code]
    const elsewhere = ELSEWHERE.has(code)
    if (advice !== undefined) {
      return result(new OutageError(`${text} (${advice})`, { cause: error }), elsewhere, false, code === FULL)
    }
    // From 500 on the server is at fault, below that the message.
    if (status >= 500) return result(new OutageError(text, { cause: error }), elsewhere)
    if (code === OTHER_STREAM && !eachOwnSubject) return result(new OutageError(text, { cause: error }))
    return result(new BroadcasterError('SEND_FAILED', text, { cause: error }))
  }
  if (names.has('NoResponders')) {
    return result(
      new OutageError('no stream has taken the event: JetStream does not answer', { cause: error }),
      false,
      true,
    )
  }
  const violation = chain.find(({ name }) => name === 'PermissionViolationError')
  if (violation) {
    const text = `this NATS user may not do that: ${said}`
    const details = { cause: error, field: 'subject', value: 'subject' in violation ? violation.subject : undefined }
    return result(eachOwnSubject ? new BroadcasterError('SEND_FAILED', text, details) : new OutageError(text, details))
  }
  if (names.has('InvalidArgumentError') || names.has('InvalidSubjectError')) {
    return result(new PermanentError(`the event cannot be written as a message: ${said}`, { cause: error }))
  }
  if (chain.some(({ name }) => CONNECTION.has(name)) || chain.some((each) => 'syscall' in each)) {
    return result(new OutageError(`no answer from NATS: ${said}`, { cause: error }), true)
  }
  return result(new BroadcasterError('SEND_FAILED', `the event was not acknowledged: ${said}`, { cause: error }))
}

/** An error while connecting or looking up the stream: whatever it is, nothing works. */
export function errorOfOpening(error: unknown): BroadcasterError {
  if (error instanceof OutageError || isMissingDependency(error)) return error
  const said = error instanceof Error ? failureOf(error).error.message : String(error)
  return new OutageError(`NATS is not ready: ${said}`, { cause: error })
}

function chainOf(error: unknown): readonly Error[] {
  const chain: Error[] = []
  for (let at = error; at instanceof Error && chain.length < 5; at = at.cause) chain.push(at)
  return chain
}
