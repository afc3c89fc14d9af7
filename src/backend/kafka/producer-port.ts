import { setTimeout } from 'node:timers/promises'
import { clientOptions, importKafka, type KafkaModule, within } from './client.ts'
import { chainOf, failureOf, failureOfCode, type KafkaFailure } from './failure.ts'
import type { ResolvedKafkaOptions } from './options.ts'
import { type ChoosePartition, type PlacedMessage, type ProducePort, placeOf } from './port.ts'

type Producer = import('@platformatic/kafka').Producer<Buffer, Buffer, Buffer, Buffer>

/** Java's producer makes the hash of a key positive like this: whoever writes a key, it goes to one partition. */
const POSITIVE = 0x7fffffff
/** The client asks Kafka again so often, and no more: a lost answer of an idempotent producer, a leader that moved. */
const REPEATS = 2
const REPEAT_DELAY = 50

/** A client that is open. */
export interface Opened {
  readonly producer: Producer
  readonly kafka: KafkaModule
}

/** A producer of our own, made anew after each trouble: what it remembers of its sequence numbers is then not to be trusted. */
export class ProducerPort implements ProducePort {
  readonly #options: ResolvedKafkaOptions
  readonly #eachOwnTopic: boolean
  /** Kept from its first moment on: whoever comes while it is being made gets the same producer. */
  #opening: Promise<Opened> | undefined

  constructor(options: ResolvedKafkaOptions) {
    this.#options = options
    this.#eachOwnTopic = typeof options.topic === 'function' || options.topic.includes('{type}')
  }

  async topic(name: string): Promise<ChoosePartition> {
    const { producer, kafka } = await this.open()
    const { createTopics } = this.#options
    let count: number
    try {
      const ask = () => producer.metadata({ topics: [name], autocreateTopics: createTopics })
      const metadata = await this.#patiently(this.#repeated(ask))
      count = metadata.topics.get(name)?.partitionsCount ?? 1
    } catch (error) {
      // The only mistake of ours that the client finds here.
      if (error instanceof kafka.UserError)
        throw failureOfCode('UNKNOWN_TOPIC_OR_PARTITION', name, this.#eachOwnTopic, error).error
      if (!(error instanceof kafka.ResponseError)) this.drop()
      throw error
    }
    const keyless = Math.floor(Math.random() * count)
    return (key) => (key === undefined ? keyless : (kafka.murmur2(key) & POSITIVE) % count)
  }

  async produce(messages: readonly PlacedMessage[]): Promise<ReadonlyMap<string, KafkaFailure>> {
    const { producer } = await this.open()
    const { compression } = this.#options
    const records = messages.map(({ message: { topic, key, value, headers }, partition }) => ({
      topic,
      partition,
      headers: headers as Map<Buffer, Buffer>,
      ...(key === undefined ? {} : { key }),
      ...(value === undefined ? {} : { value }),
    }))
    try {
      await this.#patiently(producer.send({ messages: records, acks: -1, compression }))
      return new Map()
    } catch (error) {
      this.drop()
      return this.#refused(messages, error)
    }
  }

  /** Opens a connection, and asks the cluster of itself. */
  async probe(): Promise<void> {
    const { producer } = await this.open()
    try {
      await this.#patiently(producer.metadata({ topics: [], forceUpdate: true }))
    } catch (error) {
      this.drop()
      throw error
    }
  }

  /** Who leads a partition is asked again. */
  forgetLeaders(): void {
    this.#opening?.then(({ producer }) => producer.clearMetadata()).catch(() => undefined)
  }

  /** Forgets the producer; the next call makes a new one. */
  drop(): void {
    const opening = this.#opening
    this.#opening = undefined
    opening?.then(({ producer }) => producer.close()).catch(() => undefined)
  }

  async close(): Promise<void> {
    const opening = this.#opening
    this.#opening = undefined
    if (opening === undefined) return
    const closing = opening.then(({ producer }) => producer.close())
    await within(this.#options.timeout, closing).catch(() => undefined)
  }

  /** The client, which is made when there is none. */
  open(): Promise<Opened> {
    if (this.#opening !== undefined) return this.#opening
    const opening = this.#make()
    this.#opening = opening
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined
    })
    return opening
  }

  async #make(): Promise<Opened> {
    const kafka = await importKafka('kafka')
    const { idempotent } = this.#options
    const producer = new kafka.Producer<Buffer, Buffer, Buffer, Buffer>({
      ...clientOptions(this.#options),
      idempotent,
      // An answer that was lost: only what has sequence numbers may go out again by itself.
      retries: idempotent ? REPEATS : 0,
      retryDelay: REPEAT_DELAY,
    })
    return { producer, kafka }
  }

  /**
   * A question may be asked again, even by a producer that may not write again: a topic made a moment ago is not yet known
   * to every broker, or has no leader. An idempotent producer repeats it by itself.
   */
  async #repeated<T>(ask: () => Promise<T>): Promise<T> {
    for (let left = this.#options.idempotent ? 0 : REPEATS; ; left--) {
      try {
        return await ask()
      } catch (error) {
        if (left === 0) throw error
        await setTimeout(REPEAT_DELAY)
      }
    }
  }

  /** The client's own time limits are for each of its steps. */
  #patiently<T>(promise: Promise<T>): Promise<T> {
    const { connectTimeout, timeout } = this.#options
    return within(connectTimeout + timeout, promise)
  }

  /** Which places refused: those that an answer names. Rethrows an error that names none. */
  #refused(messages: readonly PlacedMessage[], error: unknown): ReadonlyMap<string, KafkaFailure> {
    const answered = new Map<string, string>()
    for (const { topic, partition, name } of chainOf(error).flatMap(answersIn))
      answered.set(placeOf(topic, partition), name)
    if (answered.size === 0) throw error
    const refused = new Map<string, KafkaFailure>()
    const unknown = failureOf(error, '', this.#eachOwnTopic)
    for (const { message, partition, place } of messages) {
      const name = answered.get(placeOf(message.topic, partition))
      if (name === 'NONE' || refused.has(place)) continue
      refused.set(
        place,
        name === undefined
          ? { ...unknown, divisible: false }
          : failureOfCode(name, message.topic, this.#eachOwnTopic, error),
      )
    }
    return refused
  }
}

/** What an answer says of one partition. */
export interface Answer {
  readonly topic: string
  readonly partition: number
  /** The protocol's error name; NONE = it was written. */
  readonly name: string
}

/** What the answer in an error says of each partition. */
export function answersIn(error: Error): readonly Answer[] {
  const response = 'response' in error ? (error.response as ProduceResponse | undefined) : undefined
  const names = new Map(
    (error instanceof AggregateError ? error.errors : []).flatMap((part: unknown) =>
      part instanceof Error && 'apiCode' in part && 'apiId' in part
        ? [[part.apiCode, String(part.apiId)] as const]
        : [],
    ),
  )
  return (response?.responses ?? []).flatMap(({ name: topic, partitionResponses }) =>
    partitionResponses.map(({ index, errorCode }) => ({
      topic,
      partition: index,
      name: errorCode === 0 ? 'NONE' : (names.get(errorCode) ?? 'UNKNOWN_SERVER_ERROR'),
    })),
  )
}

interface ProduceResponse {
  readonly responses?: readonly {
    readonly name: string
    readonly partitionResponses: readonly { readonly index: number; readonly errorCode: number }[]
  }[]
}
