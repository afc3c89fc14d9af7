import { clientOptions, importKafka, within } from '../../backend/kafka/client.ts'
import { errorOfConnection, failureOf } from '../../backend/kafka/failure.ts'
import { resolveOptions } from '../../backend/kafka/options.ts'
import { ProducerPort } from '../../backend/kafka/producer-port.ts'
import { OutageError } from '../../backend/send-error.ts'
import { errorText } from '../error-text.ts'
import type { DeadLetterReason } from '../subscription.ts'
import type { ResolvedKafkaSubscriptionOptions } from './options.ts'
import type { FetchedRecord } from './partition.ts'

/** The protocol's code of a topic that is there already. */
const TOPIC_ALREADY_EXISTS = 'TOPIC_ALREADY_EXISTS'

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
    for (const topic of new Set(this.#options.topics.map((each) => this.topicOf(each)))) {
      try {
        await this.#port.topic(topic)
      } catch (error) {
        if (!this.#options.deadLetter.create || !(error instanceof OutageError && error.field === 'topic')) throw error
        await this.#create(topic)
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

  async #create(topic: string): Promise<void> {
    const { connection } = this.#options
    const { Admin } = await importKafka('kafkaSubscription')
    const admin = new Admin({ ...clientOptions(connection), retries: 0 })
    try {
      // As many replicas as the broker gives by itself.
      await within(connection.timeout, admin.createTopics({ topics: [topic], partitions: 1, replicas: -1 }))
    } catch (error) {
      if (!JSON.stringify(failureNames(error)).includes(TOPIC_ALREADY_EXISTS)) throw errorOfConnection(error)
    } finally {
      await admin.close().catch(() => undefined)
    }
  }
}

function failureNames(error: unknown): readonly string[] {
  const parts = error instanceof AggregateError ? error.errors : [error]
  return parts.flatMap((part: unknown) => {
    if (part instanceof AggregateError) return failureNames(part)
    return part instanceof Error && 'apiId' in part ? [String(part.apiId)] : []
  })
}
