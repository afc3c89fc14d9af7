import { isMissingDependency, OutageError, PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { errorMessage } from '../foundation/error-message.ts'
import type { KafkaModule } from './client.ts'

/** What an error means for its records. */
export interface KafkaFailure {
  readonly error: BroadcasterError
  /** A single record of the batch may be the reason: smaller batches show which. */
  readonly divisible: boolean
}

/** Kafka takes nothing for now, or not from us: by the protocol's error name. */
const OUTAGE: Readonly<Record<string, string>> = {
  UNKNOWN_SERVER_ERROR: 'see its log',
  LEADER_NOT_AVAILABLE: 'the partition has no leader',
  NOT_LEADER_OR_FOLLOWER: 'the leader of the partition has changed',
  REQUEST_TIMED_OUT: 'the replicas did not answer in time',
  BROKER_NOT_AVAILABLE: 'the broker is not available',
  REPLICA_NOT_AVAILABLE: 'the replica is not available',
  NETWORK_EXCEPTION: 'the broker was disconnected',
  COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is loading',
  COORDINATOR_NOT_AVAILABLE: 'the coordinator is not available',
  NOT_COORDINATOR: 'the coordinator has changed',
  NOT_ENOUGH_REPLICAS: 'fewer replicas are in sync than min.insync.replicas',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'fewer replicas are in sync than min.insync.replicas',
  CLUSTER_AUTHORIZATION_FAILED:
    'this user may not do that to the cluster; an idempotent producer needs IDEMPOTENT_WRITE',
  KAFKA_STORAGE_ERROR: "the broker's disk failed, or is full",
  SASL_AUTHENTICATION_FAILED: 'wrong user or password',
  UNSUPPORTED_SASL_MECHANISM: 'the broker has no such SASL mechanism',
  ILLEGAL_SASL_STATE: 'the broker requires a login',
  SECURITY_DISABLED: 'the broker has no security',
  UNSUPPORTED_VERSION: 'the broker is too old or too new',
  UNSUPPORTED_COMPRESSION_TYPE: 'the broker does not know this compression',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'the broker has forgotten this producer; the next send has a new one',
  UNKNOWN_PRODUCER_ID: 'the broker has forgotten this producer; the next send has a new one',
  INVALID_PRODUCER_EPOCH: 'another producer has this id; the next send has a new one',
  PRODUCER_FENCED: 'another producer has this id; the next send has a new one',
  FENCED_LEADER_EPOCH: 'the leader of the partition has changed',
  THROTTLING_QUOTA_EXCEEDED: 'the quota is used up',
  UNKNOWN_LEADER_EPOCH: 'the leader of the partition has changed',
  UNKNOWN_TOPIC_ID: 'the topic was created again',
  INCONSISTENT_TOPIC_ID: 'the topic was created again',
  ELIGIBLE_LEADERS_NOT_AVAILABLE: 'no replica may become the leader',
  PREFERRED_LEADER_NOT_AVAILABLE: 'the partition has no leader',
  OFFSET_NOT_AVAILABLE: 'the leader of the partition has changed',
  STALE_BROKER_EPOCH: 'the broker has been restarted',
  NOT_CONTROLLER: 'the controller has changed',
  INVALID_REPLICATION_FACTOR: 'there are fewer brokers than a topic that is made has replicas',
  CONCURRENT_TRANSACTIONS: 'the last producer of this name is still being ended',
  TRANSACTION_COORDINATOR_FENCED: 'the coordinator has changed',
  INVALID_PRODUCER_ID_MAPPING: 'the broker has forgotten this producer; the next send has a new one',
  INVALID_TXN_STATE: 'another program uses the transactional id',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'this user may not use the transactional id that fenced needs',
  DELEGATION_TOKEN_EXPIRED: 'the login has expired',
  REBOOTSTRAP_REQUIRED: 'the cluster is another one',
}

/** Those of them that concern one partition only. */
const OF_PARTITION: ReadonlySet<string> = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'ELIGIBLE_LEADERS_NOT_AVAILABLE',
  'PREFERRED_LEADER_NOT_AVAILABLE',
])

/** The record itself is refused, and always will be. */
const PERMANENT: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: "larger than the topic's max.message.bytes",
  RECORD_LIST_TOO_LARGE: "larger than the topic's segment.bytes",
  INVALID_RECORD: 'the topic refuses it; a compacted topic needs a key',
  INVALID_TIMESTAMP: "its time is too far from the broker's",
}

/** About the topic: an outage when all events go to the same one, otherwise a failure of the events that go there. */
const TOPIC: Readonly<Record<string, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'there is no such topic; create it, or have the backend do it by kafka({ create: true })',
  TOPIC_AUTHORIZATION_FAILED: 'this user may not write to the topic',
  INVALID_TOPIC_EXCEPTION: 'Kafka does not accept this name',
  POLICY_VIOLATION: 'a policy of the broker refuses it',
}

/** The client's own error codes that mean that no answer came, or will come. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'PLT_KFK_NETWORK',
  'PLT_KFK_TIMEOUT',
  'PLT_KFK_AUTHENTICATION',
  'PLT_KFK_UNSUPPORTED_API',
  'PLT_KFK_UNSUPPORTED_COMPRESSION',
  'PLT_KFK_UNEXPECTED_CORRELATION_ID',
])

/**
 * The failure of a protocol error, by its name. `eachOwnTopic`: the topic is chosen for each event. `place`: the
 * partition in question; what concerns that one alone is no outage of the others.
 */
export function failureOfCode(
  name: string,
  topic: string,
  eachOwnTopic: boolean,
  cause?: unknown,
  place?: string,
): KafkaFailure {
  const destination = place !== undefined && OF_PARTITION.has(name) ? { destination: place } : {}
  const details = { ...(cause === undefined ? {} : { cause }), ...destination }
  const made = (error: BroadcasterError, divisible = false): KafkaFailure => ({ error, divisible })
  const permanent = PERMANENT[name]
  if (permanent) return made(new PermanentError(`Kafka refused the event: ${name} (${permanent})`, details), true)
  const aboutTopic = TOPIC[name]
  if (aboutTopic) {
    const about = { ...details, field: 'topic', value: topic }
    const text = `the topic '${topic}' does not take the event: ${name} (${aboutTopic})`
    return made(eachOwnTopic ? new BroadcasterError('SEND_FAILED', text, about) : new OutageError(text, about))
  }
  const outage = OUTAGE[name]
  const what = 'destination' in destination ? `the partition ${place} accepts nothing now` : 'Kafka accepts nothing now'
  if (outage) return made(new OutageError(`${what}: ${name} (${outage})`, details))
  return made(new BroadcasterError('SEND_FAILED', `Kafka refused the event: ${name}`, details), true)
}

/** The failure of whatever a client threw: by the protocol's name in it, or by the client's code or class. */
export function failureOf(error: unknown, topic: string, eachOwnTopic: boolean): KafkaFailure {
  if (error instanceof BroadcasterError) return { error, divisible: false }
  const chain = chainOf(error)
  for (const each of chain) {
    const name = protocolName(each)
    if (name !== undefined) return failureOfCode(name, topic, eachOwnTopic, error)
  }
  const said = errorMessage(error)
  const details = { cause: error }
  if (chain.some((each) => isUnreachable(each))) {
    return { error: new OutageError(`no answer from Kafka: ${said}`, details), divisible: false }
  }
  return {
    error: new BroadcasterError('SEND_FAILED', `Kafka did not take the event: ${said}`, details),
    divisible: true,
  }
}

/** An error while connecting: whatever it is, nothing works. */
export function errorOfConnection(error: unknown, topic = ''): BroadcasterError {
  if (error instanceof OutageError || isMissingDependency(error)) return error
  const { error: failure } = failureOf(error, topic, false)
  return failure instanceof OutageError ? failure : new OutageError(failure.message, { cause: error })
}

/** The protocol's name of an error: `apiId` of our client, `type` of KafkaJS. */
export function protocolName(error: Error): string | undefined {
  for (const value of ['apiId' in error && error.apiId, 'type' in error && error.type]) {
    if (typeof value === 'string' && /^[A-Z][A-Z_]+$/.test(value)) return value.replace(/^ERR_/, '')
  }
  return undefined
}

/** The protocol's name for an error number in an answer. */
export function nameOfCode({ protocolErrorsCodesById }: KafkaModule, code: number): string {
  const names: Readonly<Record<number, string>> = protocolErrorsCodesById
  return names[code] ?? 'UNKNOWN_SERVER_ERROR'
}

/** An error, those it is made of, and its causes. */
export function chainOf(error: unknown): readonly Error[] {
  const chain: Error[] = []
  const visit = (at: unknown): void => {
    if (!(at instanceof Error) || chain.length >= 50 || chain.includes(at)) return
    chain.push(at)
    if (at instanceof AggregateError) for (const part of at.errors) visit(part)
    visit(at.cause)
  }
  visit(error)
  return chain
}

function isUnreachable(error: Error): boolean {
  if ('code' in error && typeof error.code === 'string' && UNREACHABLE.has(error.code)) return true
  return (
    'syscall' in error || /^KafkaJS(Connection|RequestTimeout|NumberOfRetriesExceeded|BrokerNotFound)/.test(error.name)
  )
}
