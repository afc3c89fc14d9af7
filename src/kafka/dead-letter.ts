import { OutageError, PermanentError } from '../backend/send-error.ts'
import { errorText } from '../consumer/error-text.ts'
import type { DeadLetterReason } from '../consumer/subscription.ts'
import { clientOptions, importKafka, within } from './client.ts'
import { chainOf, failureOf, protocolName } from './failure.ts'
import type { KafkaMessage } from './message.ts'
import { type ResolvedKafkaConnection, resolveOptions } from './options.ts'
import type { FetchedRecord } from './partition.ts'
import { placed } from './port.ts'
import { type ProducerPort, producerPort } from './producer-port.ts'
import type { ResolvedKafkaSubscriptionOptions } from './subscription-options.ts'

/** Writes records that were given up to their dead-letter topics, one after the other. */
export function deadLetters(options: ResolvedKafkaSubscriptionOptions) {
  const port = deadLetterPort(options)
  let last: Promise<unknown> = Promise.resolve()

  /** Makes the topics that are missing, if that is wanted. Rejects when one is not there. */
  async function ensureTopics(): Promise<void> {
    const { topics, connection, deadLetter } = options
    for (const topic of new Set(topics.map((each) => deadTopicOf(options, each)))) {
      try {
        await port.topic(topic)
      } catch (error) {
        if (!deadLetter.create || !(error instanceof OutageError && error.field === 'topic')) throw error
        const sources = topics.filter((each) => deadTopicOf(options, each) === topic)
        await createDeadLetterTopic(connection, topic, sources)
      }
    }
  }

  /** Resolves when Kafka has it. */
  function write(record: FetchedRecord, reason: DeadLetterReason): Promise<void> {
    const writing = last.then(() => writeOne(record, reason))
    last = writing.catch(() => undefined)
    return writing
  }

  async function writeOne(record: FetchedRecord, reason: DeadLetterReason): Promise<void> {
    const topic = deadTopicOf(options, record.topic)
    for (const form of FORMS) {
      try {
        return await produceOne(port, topic, letterOf(record, reason, form))
      } catch (cause) {
        const { error } = failureOf(cause, topic, false)
        // Too large for its topic: a shorter form may fit.
        if (!(error instanceof PermanentError) || form === 'bare') throw error
      }
    }
  }

  return { ensureTopics, write, close: () => port.close() }
}

/** The dead-letter topic of a topic. */
export function deadTopicOf({ deadLetter }: ResolvedKafkaSubscriptionOptions, topic: string): string {
  return deadLetter.topic ?? `${topic}.dead`
}

/** A producer for dead letters, and for those that are requeued. */
export function deadLetterPort({ connection }: ResolvedKafkaSubscriptionOptions): ProducerPort {
  // What its topic took only because it was compressed would be too large uncompressed.
  return producerPort({ ...resolveOptions({ compression: 'gzip' }), ...connection })
}

/** Resolves when Kafka has it. */
export async function produceOne(
  port: ProducerPort,
  topic: string,
  message: Pick<KafkaMessage, 'key' | 'value' | 'headers'>,
): Promise<void> {
  const choose = await port.topic(topic)
  const refused = await port.produce([placed({ ...message, topic, size: 0 }, choose)])
  for (const failure of refused.values()) throw failure.error
}

/**
 * How much of its record a dead letter holds. The record itself stays in its own topic as long as that keeps it: in the
 * worst case the letter says only where it is.
 */
const FORMS = ['whole', 'without headers', 'bare'] as const

function letterOf(
  record: FetchedRecord,
  { consumer, error, attempts }: DeadLetterReason,
  form: (typeof FORMS)[number],
) {
  const { key, value } = record
  const headers = new Map<Buffer, Buffer>()
  if (form === 'whole') {
    for (const [name, content] of record.headers) headers.set(name ?? Buffer.alloc(0), content ?? Buffer.alloc(0))
  }
  const text = errorText(error)
  const reason = {
    consumer,
    error: form === 'whole' ? text : text.slice(0, 200).toWellFormed(),
    attempts: String(attempts),
    topic: record.topic,
    partition: String(record.partition),
    offset: String(record.offset),
    ...(form === 'whole' ? {} : { 'left-out': form === 'bare' ? 'the headers, the key and the value' : 'the headers' }),
  }
  for (const [name, content] of Object.entries(reason)) {
    headers.set(Buffer.from(`broadcaster-${name}`), Buffer.from(content))
  }
  const whole = form !== 'bare'
  return { key: whole && key !== null ? key : undefined, value: whole && value !== null ? value : undefined, headers }
}

type Admin = import('@platformatic/kafka').Admin

const LIMIT = 'max.message.bytes'
/** The largest limit that Kafka takes. */
const LARGEST = 2 ** 31 - 1
/** How much larger a dead letter may be than its record, in bytes: our headers, the longest of which is the error. */
const ROOM = 64 * 1024

/**
 * Makes a dead-letter topic that takes whatever `sources` take. One that another process has just made is left as it
 * is.
 */
async function createDeadLetterTopic(
  connection: ResolvedKafkaConnection,
  topic: string,
  sources: readonly string[],
): Promise<void> {
  const { Admin, ConfigResourceTypes } = await importKafka('kafkaSubscription')
  const admin = new Admin({ ...clientOptions(connection), retries: 0 })
  const patience = connection.connectTimeout + connection.timeout
  try {
    let limit: number | undefined = 0
    for (const source of sources) {
      const own = await within(patience, limitOf(admin, source, ConfigResourceTypes.TOPIC))
      limit = own === undefined || limit === undefined ? undefined : Math.max(own, limit)
    }
    // Where we may not ask, the broker's default limit is the most likely.
    const configs = limit === undefined ? [] : [{ name: LIMIT, value: String(Math.min(limit + ROOM, LARGEST)) }]
    // -1: as many replicas as the broker's default.
    await within(patience, admin.createTopics({ topics: [topic], partitions: 1, replicas: -1, configs }))
  } catch (error) {
    if (!says(error, 'TOPIC_ALREADY_EXISTS')) throw failureOf(error, topic, false).error
  } finally {
    await admin.close().catch(() => undefined)
  }
}

/** The largest batch that a topic takes, in bytes; undefined = we may not ask. */
async function limitOf(admin: Admin, topic: string, resourceType: 2): Promise<number | undefined> {
  try {
    const resource = { resourceType, resourceName: topic, configurationKeys: [LIMIT] }
    const [described] = await admin.describeConfigs({ resources: [resource] })
    const value = described?.configs.find(({ name }) => name === LIMIT)?.value ?? undefined
    return value === undefined ? undefined : Number(value)
  } catch (error) {
    if (says(error, 'TOPIC_AUTHORIZATION_FAILED')) return undefined
    throw failureOf(error, topic, false).error
  }
}

/** Whether the error, or one inside it, has this name in the protocol. */
function says(error: unknown, name: string): boolean {
  return chainOf(error).some((each) => protocolName(each) === name)
}
