import { setTimeout } from 'node:timers/promises'
import { OutageError } from '../backend/send-error.ts'
import { Connection } from '../foundation/connection.ts'
import { settles } from '../foundation/waiting.ts'
import { clientOptions, importKafka, type KafkaModule, within } from './client.ts'
import { chainOf, failureOf, failureOfCode, type KafkaFailure } from './failure.ts'
import type { ResolvedKafkaOptions } from './options.ts'
import { type ChoosePartition, type PlacedMessage, placeOf } from './port.ts'

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

export type ProducerPort = ReturnType<typeof producerPort>

/** A producer of our own, made anew after each trouble: what it remembers of its sequence numbers is then not to be trusted. */
export function producerPort(options: ResolvedKafkaOptions) {
  const eachOwnTopic = typeof options.topic === 'function' || options.topic.includes('{type}')
  const connection = new Connection({
    open: () => makeProducer(options),
    end: ({ producer }) => void producer.close().catch(() => undefined),
    close: ({ producer }) => settles(producer.close(), { timeout: options.timeout }),
    interrupted: (cause) => new OutageError('ended before Kafka answered', { cause }),
  })

  async function topic(name: string): Promise<ChoosePartition> {
    const opened = await open()
    const { producer, kafka } = opened
    const { create } = options
    let count: number
    try {
      const ask = () => producer.metadata({ topics: [name], autocreateTopics: create })
      const metadata = await patiently(repeated(ask))
      count = metadata.topics.get(name)?.partitionsCount ?? 1
    } catch (error) {
      // The only mistake of ours that the client finds here.
      if (error instanceof kafka.UserError)
        throw failureOfCode('UNKNOWN_TOPIC_OR_PARTITION', name, eachOwnTopic, error).error
      if (!(error instanceof kafka.ResponseError)) connection.drop(opened)
      throw error
    }
    const keyless = Math.floor(Math.random() * count)
    return (key) => (key === undefined ? keyless : (kafka.murmur2(key) & POSITIVE) % count)
  }

  async function produce(messages: readonly PlacedMessage[]): Promise<ReadonlyMap<string, KafkaFailure>> {
    const opened = await open()
    const { compression } = options
    const records = messages.map(({ message: { topic, key, value, headers }, partition }) => ({
      topic,
      partition,
      headers: headers as Map<Buffer, Buffer>,
      ...(key === undefined ? {} : { key }),
      ...(value === undefined ? {} : { value }),
    }))
    try {
      await patiently(opened.producer.send({ messages: records, acks: -1, compression }))
      return new Map()
    } catch (error) {
      connection.drop(opened)
      return refused(messages, error)
    }
  }

  /** Opens a connection, and asks the cluster of itself. */
  async function probe(): Promise<void> {
    const opened = await open()
    try {
      await patiently(opened.producer.metadata({ topics: [], forceUpdate: true }))
    } catch (error) {
      connection.drop(opened)
      throw error
    }
  }

  /** Who leads a partition is asked again. */
  function forgetLeaders(): void {
    connection.current?.producer.clearMetadata()
  }

  /** The client, which is made when there is none. */
  function open(): Promise<Opened> {
    return connection.get()
  }

  /**
   * A question may be asked again, even by a producer that may not write again: a topic made a moment ago is not yet known
   * to every broker, or has no leader. An idempotent producer repeats it by itself.
   */
  async function repeated<T>(ask: () => Promise<T>): Promise<T> {
    for (let left = options.idempotent ? 0 : REPEATS; ; left--) {
      try {
        return await ask()
      } catch (error) {
        if (left === 0) throw error
        await setTimeout(REPEAT_DELAY)
      }
    }
  }

  /** The client's own time limits are for each of its steps. */
  function patiently<T>(promise: Promise<T>): Promise<T> {
    const { connectTimeout, timeout } = options
    return within(connectTimeout + timeout, promise)
  }

  /** Which places refused: those that an answer names. Rethrows an error that names none. */
  function refused(messages: readonly PlacedMessage[], error: unknown): ReadonlyMap<string, KafkaFailure> {
    const answered = new Map<string, string>()
    for (const { topic, partition, name } of chainOf(error).flatMap(answersIn))
      answered.set(placeOf(topic, partition), name)
    if (answered.size === 0) throw error
    const refused = new Map<string, KafkaFailure>()
    const unknown = failureOf(error, '', eachOwnTopic)
    for (const { message, partition, place } of messages) {
      const name = answered.get(placeOf(message.topic, partition))
      if (name === 'NONE' || refused.has(place)) continue
      refused.set(
        place,
        name === undefined ? { ...unknown, divisible: false } : failureOfCode(name, message.topic, eachOwnTopic, error),
      )
    }
    return refused
  }

  return { topic, produce, probe, forgetLeaders, open, close: () => connection.close() }
}

async function makeProducer(options: ResolvedKafkaOptions): Promise<Opened> {
  const kafka = await importKafka('kafka')
  const { idempotent } = options
  const producer = new kafka.Producer<Buffer, Buffer, Buffer, Buffer>({
    ...clientOptions(options),
    idempotent,
    // An answer that was lost: only what has sequence numbers may go out again by itself.
    retries: idempotent ? REPEATS : 0,
    retryDelay: REPEAT_DELAY,
  })
  return { producer, kafka }
}

/** What an answer says of one partition. */
export interface PartitionAnswer {
  readonly topic: string
  readonly partition: number
  /** The protocol's error name; NONE = it was written. */
  readonly name: string
}

/** What the answer in an error says of each partition. */
export function answersIn(error: Error): readonly PartitionAnswer[] {
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
