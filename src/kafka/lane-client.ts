import { setTimeout as sleep } from 'node:timers/promises'
import { within } from './client.ts'
import { chainOf, failureOfCode, protocolName } from './failure.ts'
import type { ResolvedKafkaOptions } from './options.ts'
import type { PlacedMessage } from './port.ts'
import { answersIn, type Opened, type PartitionAnswer, type ProducerPort } from './producer-port.ts'

/** A producer's numbers at Kafka. */
interface ProducerNumbers {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** The outcome of the messages for one broker. */
export interface Written {
  readonly messages: readonly PlacedMessage[]
  /** Undefined = all was written. */
  readonly error: unknown
  /** What the answer says of each partition. */
  readonly answers: readonly PartitionAnswer[]
}

/** Errors of a coordinator that is still starting, or still ending what the last producer of this name left open. */
const STARTING: ReadonlySet<string> = new Set([
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR',
  'CONCURRENT_TRANSACTIONS',
])
const ASK_AGAIN = 50
/** Kafka wants a limit for transactions, even if none is ever begun; in milliseconds. */
const TRANSACTION_TIMEOUT = 60_000
const ALL_REPLICAS = -1

export type LaneClient = ReturnType<typeof laneClient>

/** Kafka's requests for producers with a name of their own, several of which share the connections of one client. */
export function laneClient(port: ProducerPort, name: string, options: ResolvedKafkaOptions) {
  /** The name at Kafka of a lane's producer. */
  function idOf(lane: number): string {
    return `${name}-${lane}`
  }

  /** The next epoch of a lane's producer: from now on Kafka can refuse earlier ones. */
  async function begin(lane: number): Promise<ProducerNumbers> {
    const end = performance.now() + options.timeout
    for (;;) {
      try {
        return await beginAs(idOf(lane))
      } catch (error) {
        const starting = chainOf(error).some((each) => STARTING.has(protocolName(each) ?? ''))
        if (!starting || performance.now() > end) throw error
      }
      await sleep(ASK_AGAIN)
    }
  }

  /** Writes to the partitions' leaders in parallel. Never rejects. */
  async function write(
    messages: readonly PlacedMessage[],
    producer: ProducerNumbers & { readonly sequences: ReadonlyMap<string, number> },
  ): Promise<readonly Written[]> {
    try {
      const opened = await port.open()
      const topics = [...new Set(messages.map(({ message }) => message.topic))]
      const { brokers, topics: known } = await ask(opened.producer.metadata({ topics }))
      const leaderOf = ({ message: { topic }, partition }: PlacedMessage): number =>
        known.get(topic)?.partitions[partition]?.leader ?? -1
      return await Promise.all(
        Array.from(Map.groupBy(messages, leaderOf), ([node, group]) =>
          writeTo(opened, brokers.get(node), group, producer),
        ),
      )
    } catch (error) {
      return [{ messages, error, answers: [] }]
    }
  }

  /** Asks for the leaders of all partitions again. */
  function forgetLeaders(): void {
    port.forgetLeaders()
  }

  async function writeTo(
    { producer: client, kafka }: Opened,
    broker: Broker | undefined,
    messages: readonly PlacedMessage[],
    { producerId, producerEpoch, sequences }: ProducerNumbers & { readonly sequences: ReadonlyMap<string, number> },
  ): Promise<Written> {
    try {
      if (broker === undefined) return leaderless(messages)
      const connection = await call<Connection>((done) => client[kafka.kGetConnection](broker, done))
      const produce = await call<Api<ProduceArguments, unknown>>((done) => client[kafka.kGetApi]('Produce', done))
      const numbers = new kafka.NumericMap()
      for (const [place, number] of sequences) numbers.set(place, number)
      const { compression, timeout } = options
      const records = messages.map(({ message: { topic, key, value, headers }, partition }) => ({
        topic,
        partition,
        key,
        value,
        headers,
      }))
      await ask(
        produce.async(connection, ALL_REPLICAS, timeout, records, {
          compression,
          producerId,
          producerEpoch,
          sequences: numbers,
        }),
      )
      return { messages, error: undefined, answers: [] }
    } catch (error) {
      return { messages, error, answers: chainOf(error).flatMap(answersIn) }
    }
  }

  async function beginAs(id: string): Promise<ProducerNumbers> {
    const { producer: client, kafka } = await port.open()
    const anyone = await call<Connection>((done) => client[kafka.kGetBootstrapConnection](done))
    const find = await call<Api<[number, string[]], Found>>((done) => client[kafka.kGetApi]('FindCoordinator', done))
    const { coordinators } = await ask(find.async(anyone, kafka.FindCoordinatorKeyTypes.TRANSACTION, [id]))
    const [coordinator] = coordinators
    if (coordinator === undefined) throw failureOfCode('COORDINATOR_NOT_AVAILABLE', '', false).error
    const { host, port: number } = coordinator
    const connection = await call<Connection>((done) => client[kafka.kGetConnection]({ host, port: number }, done))
    const init = await call<Api<[string, number, bigint, number], ProducerNumbers>>((done) =>
      client[kafka.kGetApi]('InitProducerId', done),
    )
    const { producerId, producerEpoch } = await ask(init.async(connection, id, TRANSACTION_TIMEOUT, -1n, -1))
    return { producerId, producerEpoch }
  }

  function call<T>(start: (done: (error: Error | null, result?: T) => void) => void): Promise<T> {
    return ask(
      new Promise<T>((resolve, reject) =>
        start((error, result) => (error === null || error === undefined ? resolve(result as T) : reject(error))),
      ),
    )
  }

  function ask<T>(promise: Promise<T>): Promise<T> {
    const { connectTimeout, timeout } = options
    return within(connectTimeout + timeout, promise)
  }

  return { idOf, begin, write, forgetLeaders }
}

type Broker = import('@platformatic/kafka').Broker
type Connection = import('@platformatic/kafka').Connection
type Api<Arguments extends unknown[], Result> = import('@platformatic/kafka').API<Arguments, Result>

type ProduceArguments = [
  acks: number,
  timeout: number,
  records: readonly object[],
  options: {
    readonly compression: string
    readonly producerId: bigint
    readonly producerEpoch: number
    readonly sequences: Map<string, number>
  },
]

interface Found {
  readonly coordinators: readonly { readonly host: string; readonly port: number }[]
}

/** What a broker would answer for partitions without a leader, where there is nobody to ask. */
export function leaderless(messages: readonly PlacedMessage[]): Written {
  const name = 'LEADER_NOT_AVAILABLE'
  const answers = messages.map(({ message: { topic }, partition }) => ({ topic, partition, name }))
  return { messages, error: failureOfCode(name, messages[0]?.message.topic ?? '', false).error, answers }
}
