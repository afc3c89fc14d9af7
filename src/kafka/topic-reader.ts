import { randomUUID } from 'node:crypto'
import { OutageError } from '../backend/send-error.ts'
import { clientOptions, importKafka, within } from './client.ts'
import type { ResolvedKafkaConnection } from './options.ts'
import { type FetchedRecord, Partition } from './partition.ts'
import { recordsIn } from './records-in.ts'

type Consumer = import('@platformatic/kafka').Consumer<Buffer, Buffer, Buffer, Buffer>

const EARLIEST = -2n
const LATEST = -1n
const READ_COMMITTED = 1
/** How long Kafka holds a fetch open that finds nothing, in milliseconds. */
const WAIT = 500
const FETCH = 4 * 1024 * 1024

/** Reads a topic from beginning to end, without joining a group. */
export class TopicReader {
  readonly #connection: ResolvedKafkaConnection
  readonly #consumer: Consumer

  private constructor(connection: ResolvedKafkaConnection, consumer: Consumer) {
    this.#connection = connection
    this.#consumer = consumer
  }

  static async open(connection: ResolvedKafkaConnection): Promise<TopicReader> {
    const kafka = await importKafka('kafkaSubscription')
    const consumer = new kafka.Consumer<Buffer, Buffer, Buffer, Buffer>({
      ...clientOptions(connection),
      // This group is never joined; the client requires a name.
      groupId: `ts-broadcaster-${randomUUID()}`,
      autocommit: false,
      retries: 0,
      isolationLevel: READ_COMMITTED,
    })
    consumer.on('error', () => undefined)
    return new TopicReader(connection, consumer)
  }

  /** What the topic holds now, partition by partition. */
  async *read(topic: string, signal: AbortSignal): AsyncGenerator<FetchedRecord> {
    const metadata = await this.#ask(this.#consumer.metadata({ topics: [topic], forceUpdate: true }))
    const { id = '', partitions = [] } = metadata.topics.get(topic) ?? {}
    const first = await this.#ask(this.#consumer.listOffsets({ topics: [topic], timestamp: EARLIEST }))
    const ends = await this.#ask(this.#consumer.listOffsets({ topics: [topic], timestamp: LATEST }))
    for (const [number, { leader }] of partitions.entries()) {
      if (leader < 0) throw new OutageError(`the partition ${number} of ${topic} has no leader`)
      const partition = new Partition(topic, number, first.get(topic)?.[number] ?? 0n)
      const end = ends.get(topic)?.[number] ?? 0n
      while (partition.next < end) {
        signal.throwIfAborted()
        const before = partition.next
        yield* await this.#fetch(leader, id, partition)
        // The rest was deleted, or belongs to open transactions.
        if (partition.next === before) break
      }
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#consumer.close(true, () => resolve()))
    await within(this.#connection.timeout, closed).catch(() => undefined)
  }

  async #fetch(node: number, topicId: string, partition: Partition): Promise<readonly FetchedRecord[]> {
    const answer = await this.#ask(
      this.#consumer.fetch({
        node,
        minBytes: 1,
        maxBytes: FETCH,
        maxWaitTime: WAIT,
        isolationLevel: READ_COMMITTED,
        topics: [
          {
            topicId,
            partitions: [
              {
                partition: partition.number,
                fetchOffset: partition.next,
                partitionMaxBytes: FETCH,
                currentLeaderEpoch: -1,
                lastFetchedEpoch: -1,
              },
            ],
          },
        ],
      }),
    )
    const { topic, number } = partition
    return recordsIn(answer, new Map([[topicId, topic]]), new Map([[`${topic} ${number}`, partition]]))
  }

  #ask<T>(promise: Promise<T>): Promise<T> {
    const { connectTimeout, timeout } = this.#connection
    return within(connectTimeout + timeout, promise)
  }
}
