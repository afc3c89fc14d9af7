import { isMissingDependency, OutageError, PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { errorMessage } from '../foundation/error-message.ts'

/**
 * An error reply begins with a code word in capitals (RESP, "simple errors"): `WRONGTYPE Operation against ...`. It is
 * the protocol's error code, not prose; both client libraries hand it over as the beginning of the message.
 */
const CODE_WORD = /^-?([A-Z][A-Z0-9_]+)(?: |$)/

/** This server refuses all writes for now, or refuses us: an outage, which costs no retries. */
const OUTAGE_CODES: Readonly<Record<string, string>> = {
  OOM: 'Redis is at its maxmemory and evicts nothing; free memory, raise maxmemory, or trim more',
  LOADING: 'Redis is loading its data set',
  READONLY: 'this Redis is a read-only replica; connect to the master',
  MASTERDOWN: 'this Redis is a replica that has lost its master',
  UNBLOCKED: 'this Redis has become a read-only replica',
  MISCONF: 'Redis cannot save its data to disk and refuses writes; see its log',
  CLUSTERDOWN: 'the cluster is down or does not serve every hash slot',
  TRYAGAIN: 'the cluster is moving this hash slot',
  MOVED: 'this Redis is a node of a cluster; use the option cluster',
  ASK: 'this Redis is a node of a cluster; use the option cluster',
  NOREPLICAS: 'fewer replicas are connected than min-replicas-to-write asks for',
  BUSY: 'a script is blocking Redis',
  NOAUTH: 'Redis requires a password',
  WRONGPASS: 'Redis refuses the user name or password',
  NOPERM: 'this Redis user may not write this stream',
  DENIED: 'Redis runs in protected mode',
}

/** Troubles that a new connection would meet too. */
const STAYS: ReadonlySet<string> = new Set(['OOM', 'NOPERM'])
/** Errors of replicas only: the master is elsewhere now. */
const REPLICA: ReadonlySet<string> = new Set(['READONLY', 'MASTERDOWN', 'UNBLOCKED'])

/**
 * What an error reply says about its server. `replica`, `unable`: it cannot serve now, and a new connection may reach
 * one that can; undefined: nothing.
 */
export function troubleOfServer(code: string | undefined): 'replica' | 'unable' | undefined {
  if (code === undefined || !Object.hasOwn(OUTAGE_CODES, code) || STAYS.has(code)) return undefined
  return REPLICA.has(code) ? 'replica' : 'unable'
}

/** The code word of an error reply; undefined for anything else, such as a lost connection. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  // System errors have a `code` of their own, and their messages may begin with capitals.
  if ('code' in error && typeof error.code === 'string' && error.code !== '') return undefined
  return CODE_WORD.exec(error.message)?.[1]
}

/** The code word of the text of an error reply. */
export function codeOf(reply: string): string | undefined {
  return CODE_WORD.exec(reply)?.[1]
}

/**
 * What an error reply to one event means. `eachOwnStream`: the stream is chosen for each event, so a key that is not a
 * stream, or is forbidden, is a failure of this event alone; a single stream for all would refuse everything.
 */
export function errorOfReply(reply: string, stream: string, eachOwnStream: boolean, cause?: unknown): BroadcasterError {
  const details = cause === undefined ? {} : { cause }
  const code = codeOf(reply) ?? 'ERR'
  if (code === 'NOPERM' && eachOwnStream) {
    // Not permanent: people can correct rights, and a wrong rule must not fail a backlog for good.
    const message = `${reply}: this Redis user may not write the stream '${stream}'`
    return new BroadcasterError('SEND_FAILED', message, { ...details, field: 'stream', value: stream })
  }
  if (code === 'WRONGTYPE') {
    const message = `${reply}: the key '${stream}' is not a stream; rename or delete it, or choose another stream`
    return eachOwnStream
      ? new PermanentError(message, { ...details, field: 'stream', value: stream })
      : new OutageError(message, { ...details, field: 'stream', value: stream })
  }
  const outage = OUTAGE_CODES[code]
  if (outage !== undefined) return new OutageError(`${reply} (${outage})`, details)
  return new BroadcasterError('SEND_FAILED', `Redis refused the event: ${reply}`, details)
}

/** The error of a command that got no reply, or one that is about the connection. */
export function errorOfConnection(error: unknown): BroadcasterError {
  if (error instanceof OutageError || isMissingDependency(error)) return error
  const said = errorMessage(error)
  const code = replyCode(error)
  const advice = code === undefined ? undefined : OUTAGE_CODES[code]
  return new OutageError(`no answer from Redis: ${said}${advice === undefined ? '' : ` (${advice})`}`, { cause: error })
}
