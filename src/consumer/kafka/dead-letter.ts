import { failureOf } from '../../backend/kafka/failure.ts'
import { resolveOptions } from '../../backend/kafka/options.ts'
import { ProducerPort } from '../../backend/kafka/producer-port.ts'
import { OutageError } from '../../backend/send-error.ts'
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
    const { connection } = options
    const { sasl, bootstrapServers, clientId, tls, connectTimeout, timeout } = connection
    this.#options = options
    this.#port = new ProducerPort(
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

  async #write(record: FetchedRecord, { consumer, error, attempts }: DeadLetterReason): Promise<void> {
    const topic = this.topicOf(record.topic)
    const headers = new Map<Buffer, Buffer>()
    for (const [name, value] of record.headers) headers.set(name ?? Buffer.alloc(0), value ?? Buffer.alloc(0))
    const reason = {
      consumer,
      error: errorText(error),
      attempts: String(attempts),
      topic: record.topic,
      partition: String(record.partition),
      offset: String(record.offset),
    }
    for (const [name, value] of Object.entries(reason))
      headers.set(Buffer.from(`broadcaster-${name}`), Buffer.from(value))
    const message = { topic, key: record.key ?? undefined, value: record.value ?? undefined, headers, size: 0 }
    try {
      const choose = await this.#port.topic(topic)
      const refused = await this.#port.produce([{ message, partition: choose(message.key) }])
      for (const failure of refused.values()) throw failure.error
    } catch (cause) {
      throw failureOf(cause, topic, false).error
    }
  }
}
