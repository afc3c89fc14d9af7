import { setTimeout } from 'node:timers/promises'
import { OutageError } from '../backend/send-error.ts'
import { Connection } from '../foundation/connection.ts'
import { settles } from '../foundation/waiting.ts'
import { clientOptions, importKafka, type KafkaModule, within } from './client.ts'
import { ClusterView } from './cluster-view.ts'
import { chainOf, failureOf, failureOfCode, type KafkaFailure, protocolName } from './failure.ts'
import type { ResolvedKafkaOptions } from './options.ts'
import { type ChoosePartition, type PlacedMessage, placeOf } from './port.ts'

type Producer = import('@platformatic/kafka').Producer<Buffer, Buffer, Buffer, Buffer>

/** As Java's producer makes the hash of a key positive: the same partition for a key, whoever writes it. */
const POSITIVE = 0x7fffffff
/** How often the client asks Kafka again: a lost answer of an idempotent producer, a leader that moved. */
const REPEATS = 2
const REPEAT_DELAY = 50

/** A client that is open. */
export interface Opened {
  readonly producer: Producer
  readonly view: ClusterView
  readonly kafka: KafkaModule
}

export type ProducerPort = ReturnType<typeof producerPort>

/** A producer of our own, made anew after each trouble: its sequence numbers can then no longer be trusted. */
export function producerPort(options: ResolvedKafkaOptions) {
  const eachOwnTopic = typeof options.topic === 'function' || options.topic.includes('{type}')
  const connection = new Connection({
    open: () => makeProducer(options),
    end({ producer, view }) {
      view.close()
      producer.close().catch(() => undefined)
    },
    close: ({ producer }) => settles(producer.close(), { timeout: options.timeout }),
    interrupted: (cause) => new OutageError('ended before Kafka answered', { cause }),
  })

  /** Partitions that accept nothing now, by topic and number. */
  const away = new Set<string>()
  const counts = new Map<string, number>()

  async function topic(name: string): Promise<ChoosePartition> {
    const opened = await open()
    const { producer, kafka } = opened
    const { create } = options
    let topics: Awaited<ReturnType<Producer['metadata']>>
    try {
      topics = await patiently(repeated(opened, () => producer.metadata({ topics: [name], autocreateTopics: create })))
    } catch (error) {
      const said = chainOf(error).flatMap((each) => protocolName(each) ?? [])
      if (said.length === 0) connection.drop(opened)
      const isMissing = said.includes('UNKNOWN_TOPIC_OR_PARTITION')
      throw isMissing ? failureOfCode('UNKNOWN_TOPIC_OR_PARTITION', name, eachOwnTopic, error).error : error
    }
    const { partitions = [], partitionsCount: count = 1 } = topics.topics.get(name) ?? {}
    counts.set(name, count)
    // An event without a key need not wait for a leader.
    const led = partitions.flatMap(({ leader }, n) => (topics.brokers.has(leader) ? [n] : []))
    const free = led.filter((n) => !away.has(placeOf(name, n)))
    const [some] = [free, led].filter(({ length }) => length > 0)
    const keyless = some?.[Math.floor(Math.random() * some.length)] ?? 0
    return (key) => (key === undefined ? keyless : partitionOf(kafka, key, count))
  }

  async function produce(messages: readonly PlacedMessage[]): Promise<ReadonlyMap<string, KafkaFailure>> {
    const opened = await open()
    const { compression } = options
    const { led, refused } = await parted(opened, messages)
    if (led.length === 0) return noted(messages, refused)
    const records = led.map(({ message: { topic, key, value, headers }, partition }) => ({
      topic,
      partition,
      headers: headers as Map<Buffer, Buffer>,
      ...(key === undefined ? {} : { key }),
      ...(value === undefined ? {} : { value }),
    }))
    try {
      await patiently(opened.producer.send({ messages: records, acks: -1, compression }))
    } catch (error) {
      connection.drop(opened)
      for (const [place, failure] of refusedBy(led, error)) refused.set(place, failure)
    }
    return noted(messages, refused)
  }

  /** Which messages have a leader, and why the others are not written, by what is known at this moment. */
  async function parted(
    { view }: Opened,
    messages: readonly PlacedMessage[],
  ): Promise<{ readonly led: readonly PlacedMessage[]; readonly refused: Map<string, KafkaFailure> }> {
    const refused = new Map<string, KafkaFailure>()
    const topics = [...new Set(messages.map(({ message: { topic } }) => topic))]
    const { brokers, topics: known } = await patiently(view.of(topics))
    const led = messages.filter(({ message: { topic }, partition, place }) => {
      const leader = known.get(topic)?.partitions[partition]?.leader
      if (leader === undefined || brokers.has(leader)) return true
      refused.set(
        place,
        failureOfCode('LEADER_NOT_AVAILABLE', topic, eachOwnTopic, undefined, placeOf(topic, partition)),
      )
      return false
    })
    return { led, refused }
  }

  /** Remembers which partitions are down, until they accept something again. */
  function noted(
    messages: readonly PlacedMessage[],
    refused: ReadonlyMap<string, KafkaFailure>,
  ): ReadonlyMap<string, KafkaFailure> {
    for (const { message, partition, place } of messages) {
      const error = refused.get(place)?.error
      const at = placeOf(message.topic, partition)
      if (error === undefined) away.delete(at)
      else if (error instanceof OutageError && error.destination === at) away.add(at)
    }
    return refused
  }

  /** The partition of a key, if that is down. */
  function awayOf(topic: string, key: string): string | undefined {
    const kafka = connection.current?.kafka
    const count = counts.get(topic)
    if (away.size === 0 || kafka === undefined || count === undefined) return undefined
    const place = placeOf(topic, partitionOf(kafka, Buffer.from(key), count))
    return away.has(place) ? place : undefined
  }

  /** Opens a connection, and asks for the cluster's metadata. */
  async function probe(): Promise<void> {
    const opened = await open()
    try {
      await patiently(opened.producer.metadata({ topics: [], forceUpdate: true }))
    } catch (error) {
      connection.drop(opened)
      throw error
    }
  }

  /** The leaders of all partitions are asked for again. */
  function forgetLeaders(): void {
    connection.current?.view.forget()
  }

  /** The client, which is made when there is none. */
  function open(): Promise<Opened> {
    return connection.get()
  }

  /** A topic made a moment ago is not yet known to every broker, or has no leader. */
  async function repeated<T>({ view }: Opened, ask: () => Promise<T>): Promise<T> {
    for (let left = REPEATS; ; left--) {
      try {
        return await ask()
      } catch (error) {
        if (left === 0) throw error
        view.forget()
        await setTimeout(REPEAT_DELAY)
      }
    }
  }

  /** The client's own time limits apply to each of its steps. */
  function patiently<T>(promise: Promise<T>): Promise<T> {
    const { connectTimeout, timeout } = options
    return within(connectTimeout + timeout, promise)
  }

  /** Which places refused: those that an answer names, or that gave none. Rethrows an error that names none. */
  function refusedBy(messages: readonly PlacedMessage[], error: unknown): ReadonlyMap<string, KafkaFailure> {
    const answered = new Map<string, string>()
    for (const { topic, partition, name } of chainOf(error).flatMap(answersIn))
      answered.set(placeOf(topic, partition), name)
    // What other brokers have written must not be written again because one did not answer.
    for (const { topic, partition } of writtenIn(error)) answered.set(placeOf(topic, partition), 'NONE')
    if (answered.size === 0) throw error
    const refused = new Map<string, KafkaFailure>()
    const unknown = failureOf(error, '', eachOwnTopic)
    for (const { message, partition, place } of messages) {
      const at = placeOf(message.topic, partition)
      const name = answered.get(at)
      if (name === 'NONE' || refused.has(place)) continue
      if (name !== undefined) refused.set(place, failureOfCode(name, message.topic, eachOwnTopic, error, at))
      else if (unknown.error instanceof OutageError && !(unknown.error.destination === at)) {
        const details = { cause: error, destination: at }
        refused.set(place, {
          error: new OutageError(`the partition ${at}: ${unknown.error.message}`, details),
          divisible: false,
        })
      } else refused.set(place, { ...unknown, divisible: false })
    }
    return refused
  }

  const close = (): Promise<void> => connection.close()
  return {
    ...{ topic, produce, probe, forgetLeaders, noted, awayOf, open, close },
    /** Whether some partition accepts nothing now. */
    get isPartlyAway(): boolean {
      return away.size > 0
    },
  }
}

async function makeProducer(options: ResolvedKafkaOptions): Promise<Opened> {
  const kafka = await importKafka('kafka')
  const { idempotent } = options
  const producer = new kafka.Producer<Buffer, Buffer, Buffer, Buffer>({
    ...clientOptions(options),
    idempotent,
    // After a lost answer only what has sequence numbers may be resent automatically.
    retries: idempotent ? REPEATS : 0,
    retryDelay: REPEAT_DELAY,
  })
  const view = new ClusterView(kafka, options)
  view.lendTo(producer, [], true)
  return { producer, kafka, view }
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

/** What was written although the request as a whole has failed. */
function writtenIn(error: unknown): readonly { readonly topic: string; readonly partition: number }[] {
  const produced = error instanceof Error && 'produced' in error ? (error.produced as Produced | undefined) : undefined
  return produced?.offsets ?? []
}

function partitionOf({ murmur2 }: KafkaModule, key: Buffer, count: number): number {
  return (murmur2(key) & POSITIVE) % count
}

interface Produced {
  readonly offsets?: readonly { readonly topic: string; readonly partition: number }[]
}

interface ProduceResponse {
  readonly responses?: readonly {
    readonly name: string
    readonly partitionResponses: readonly { readonly index: number; readonly errorCode: number }[]
  }[]
}
