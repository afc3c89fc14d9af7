import { failureOf } from '../../backend/kafka/failure.ts'
import { resolveOptions } from '../../backend/kafka/options.ts'
import { placed } from '../../backend/kafka/port.ts'
import { ProducerPort } from '../../backend/kafka/producer-port.ts'
import { OutageError, PermanentError } from '../../backend/send-error.ts'
import { errorText } from '../error-text.ts'
import type { DeadLetterReason } from '../subscription.ts'
import { createDeadLetterTopic } from './dead-letter-topic.ts'
import type { ResolvedKafkaSubscriptionOptions } from './options.ts'
import type { FetchedRecord } from './partition.ts'

/** Writes records that were given up to their dead-letter topics, one after the other. */
export class DeadLetters {
  readonly #options: ResolvedKafkaSubscriptionOptions
  readonly #port: ProducerPort
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: ResolvedKafkaSubscriptionOptions) {
    this.#options = options
    this.#port = deadLetterPort(options)
  }

  /** The dead-letter topic of a topic. */
  topicOf(topic: string): string {
    return this.#options.deadLetter.topic ?? `${topic}.dead`
  }

  /** Makes the topics that are missing, if that is wanted. Rejects when one is not there. */
  async ensureTopics(): Promise<void> {
    const { topics, connection, deadLetter } = this.#options
    for (const topic of new Set(topics.map((each) => this.topicOf(each)))) {
      try {
        await this.#port.topic(topic)
      } catch (error) {
        if (!deadLetter.create || !(error instanceof OutageError && error.field === 'topic')) throw error
        const sources = topics.filter((each) => this.topicOf(each) === topic)
        await createDeadLetterTopic(connection, topic, sources)
      }
    }
  }

  /** Resolves when Kafka has it. */
  write(record: FetchedRecord, reason: DeadLetterReason): Promise<void> {
    const writing = this.#last.then(() => this.#write(record, reason))
    this.#last = writing.catch(() => undefined)
    return writing
  }

  close(): Promise<void> {
    return this.#port.close()
  }

  async #write(record: FetchedRecord, reason: DeadLetterReason): Promise<void> {
    const topic = this.topicOf(record.topic)
    for (const form of FORMS) {
      try {
        const choose = await this.#port.topic(topic)
        const message = { topic, ...letterOf(record, reason, form), size: 0 }
        const refused = await this.#port.produce([placed(message, choose)])
        for (const failure of refused.values()) throw failure.error
        return
      } catch (cause) {
        const { error } = failureOf(cause, topic, false)
        // Too large for its topic: a shorter form may fit.
        if (!(error instanceof PermanentError) || form === 'bare') throw error
      }
    }
  }
}

/** A producer for dead letters and what is requeued of them. */
export function deadLetterPort({ connection }: ResolvedKafkaSubscriptionOptions): ProducerPort {
  const { sasl, bootstrapServers, clientId, tls, connectTimeout, timeout } = connection
  return new ProducerPort(
    resolveOptions({
      bootstrapServers,
      clientId,
      tls,
      connectTimeout,
      timeout,
      // What its topic took because it was compressed is too large as it is.
      compression: 'gzip',
      ...(sasl === undefined ? {} : { sasl }),
    }),
  )
}

/**
 * What a dead letter has of its record. The record itself stays in its own topic, as long as that keeps it: in the worst
 * case the letter says only where.
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
