import { clientOptions, type KafkaModule, within } from './client.ts'
import { ask } from './cluster-view.ts'
import { chainOf, nameOfCode } from './failure.ts'
import { placeOf } from './port.ts'
import type { ResolvedKafkaSubscriptionOptions } from './subscription-options.ts'

type Consumer = import('@platformatic/kafka').Consumer<Buffer, Buffer, Buffer, Buffer>
type FetchAnswer = Awaited<ReturnType<Consumer['fetch']>>
type Broker = Parameters<Consumer['connections']['get']>[0]

/** Kafka's offsets for the oldest record, and for the end, where the next one will be. */
export const EARLIEST = -2n
export const LATEST = -1n
/** How long Kafka holds a fetch open that finds nothing, in milliseconds. */
export const WAIT = 500
const READ_COMMITTED = 1
const NO_REPLICA = -1

/** A partition, and where reading continues. */
export interface FetchPlace {
  readonly topic: string
  readonly topicId: string
  readonly number: number
  readonly next: bigint
}

/** Why a broker did not serve a partition, by place: the protocol's error name. */
export type Refusals = ReadonlyMap<string, string>

/**
 * Reads from one broker, on its own connections: a broker that does not answer delays no other, and requests to the
 * coordinator do not wait for a fetch that finds nothing.
 */
export class LeaderClient {
  readonly node: number
  readonly #broker: Broker
  readonly #kafka: KafkaModule
  readonly #options: ResolvedKafkaSubscriptionOptions
  readonly #client: Consumer

  constructor(kafka: KafkaModule, options: ResolvedKafkaSubscriptionOptions, node: number, broker: Broker) {
    this.node = node
    this.#broker = broker
    this.#kafka = kafka
    this.#options = options
    this.#client = new kafka.Consumer<Buffer, Buffer, Buffer, Buffer>({
      ...clientOptions(options.connection),
      bootstrapBrokers: [broker],
      // This group is never joined; the client requires a name.
      groupId: 'none',
      autocommit: false,
      retries: 0,
      isolationLevel: READ_COMMITTED,
    })
    // Its errors arrive as rejections too.
    this.#client.on('error', () => undefined)
    // Otherwise it would ask another broker when this one cannot be reached.
    this.#client[kafka.kGetBootstrapConnection] = (callback) => this.#client.connections.get(broker, callback as never)
  }

  /** Whether the broker is still there. */
  isOf({ host, port }: Broker): boolean {
    return host === this.#broker.host && port === this.#broker.port
  }

  /** The offsets at one end of partitions, by place, and why others have none. */
  async offsets(
    partitions: readonly { readonly topic: string; readonly number: number }[],
    timestamp: bigint,
  ): Promise<{ readonly offsets: ReadonlyMap<string, bigint>; readonly refused: Refusals }> {
    const topics = Array.from(groupedByTopic(partitions), ([name, parts]) => ({
      name,
      partitions: parts.map(({ number }) => ({ partitionIndex: number, currentLeaderEpoch: -1, timestamp })),
    }))
    const { timeout, connectTimeout } = this.#options.connection
    const answer = await within(
      connectTimeout + timeout,
      ask<OffsetsAnswer>(this.#kafka, this.#client, 'ListOffsets', [NO_REPLICA, READ_COMMITTED, topics]),
    )
    const offsets = new Map<string, bigint>()
    const refused = new Map<string, string>()
    for (const { name, partitions: parts } of answer.topics) {
      for (const { partitionIndex, errorCode, offset } of parts) {
        const place = placeOf(name, partitionIndex)
        if (errorCode === 0) offsets.set(place, offset)
        else refused.set(place, this.#nameOf(errorCode))
      }
    }
    return { offsets, refused }
  }

  /** The next records; or, when one of the partitions is not served, only which and why. */
  async fetch(places: readonly FetchPlace[]): Promise<{ readonly answer?: FetchAnswer; readonly refused: Refusals }> {
    const { maxFetchBytes, connection } = this.#options
    const names = new Map(places.map(({ topic, topicId }) => [topicId, topic]))
    const topics = Array.from(groupedByTopic(places), ([, parts]) => ({
      topicId: parts[0]?.topicId ?? '',
      partitions: parts.map(({ number, next }) => ({
        partition: number,
        fetchOffset: next,
        partitionMaxBytes: maxFetchBytes,
        currentLeaderEpoch: -1,
        lastFetchedEpoch: -1,
      })),
    }))
    const request = {
      node: this.node,
      minBytes: 1,
      maxBytes: maxFetchBytes,
      maxWaitTime: WAIT,
      isolationLevel: READ_COMMITTED,
      topics,
    } as const
    try {
      const patience = connection.connectTimeout + connection.timeout + WAIT
      return { answer: await within(patience, this.#client.fetch(request)), refused: new Map() }
    } catch (error) {
      const refused = new Map<string, string>()
      for (const { topicId, partitions } of responseIn(error)?.responses ?? []) {
        for (const { partitionIndex, errorCode } of partitions) {
          if (errorCode === 0) continue
          refused.set(placeOf(names.get(topicId) ?? '', partitionIndex), this.#nameOf(errorCode))
        }
      }
      if (refused.size === 0) throw error
      return { refused }
    }
  }

  /** Ends its connections at once. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#client.close(true, () => resolve()))
  }

  #nameOf(code: number): string {
    return nameOfCode(this.#kafka, code)
  }
}

interface OffsetsAnswer {
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly {
      readonly partitionIndex: number
      readonly errorCode: number
      readonly offset: bigint
    }[]
  }[]
}

function responseIn(error: unknown): FetchAnswer | undefined {
  const found = chainOf(error).find((each) => 'response' in each)
  return found && 'response' in found ? (found.response as FetchAnswer) : undefined
}

function groupedByTopic<Part extends { readonly topic: string }>(parts: readonly Part[]): ReadonlyMap<string, Part[]> {
  return Map.groupBy(parts, ({ topic }) => topic)
}
