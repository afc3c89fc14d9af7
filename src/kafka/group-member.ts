import { OutageError } from '../backend/send-error.ts'
import { clientOptions, importKafka, within } from './client.ts'
import { type FetchedRecord, Partition } from './partition.ts'
import { recordsIn } from './records-in.ts'
import type { ResolvedKafkaSubscriptionOptions } from './subscription-options.ts'

type Consumer = import('@platformatic/kafka').Consumer<Buffer, Buffer, Buffer, Buffer>
type Metadata = Awaited<ReturnType<Consumer['metadata']>>

const EARLIEST = -2n
const LATEST = -1n
/** How long Kafka holds a fetch open that finds nothing, in milliseconds. */
const WAIT = 500
const READ_COMMITTED = 1

/**
 * A member of a consumer group. It fetches by itself, and not through the client's stream, which goes on with what it had
 * fetched before the group changed.
 */
export class GroupMember {
  readonly #options: ResolvedKafkaSubscriptionOptions
  readonly #consumer: Consumer
  /**
   * With connections of its own: Kafka answers the requests of a connection one after the other, so a commit would wait for
   * the end of each fetch that finds nothing.
   */
  readonly #fetcher: Consumer
  readonly #onLost: () => void
  /** Undefined = Kafka has shared the partitions out, and we do not know yet where ours begin. */
  #partitions: Map<string, Partition> | undefined
  /** Goes up each time the partitions are shared out. */
  generation = 0
  /** Of all topics, when we joined. */
  #partitionCount = 0
  #failure: unknown

  private constructor(
    consumer: Consumer,
    fetcher: Consumer,
    options: ResolvedKafkaSubscriptionOptions,
    onLost: () => void,
  ) {
    this.#consumer = consumer
    this.#fetcher = fetcher
    this.#options = options
    this.#onLost = onLost
    consumer.on('consumer:group:join', () => this.#shareOut())
    // The group could not be joined again: a new member must be made.
    consumer.on('error', (error: unknown) => this.#fail(error))
    // It joins nothing; what goes wrong is in what it rejects with.
    fetcher.on('error', () => undefined)
  }

  /** Joins the group. `onLost`: what was delivered is not ours any more. */
  static async join(
    group: string,
    options: ResolvedKafkaSubscriptionOptions,
    onLost: () => void,
  ): Promise<GroupMember> {
    const { connection, sessionTimeout, heartbeatInterval, topics } = options
    const kafka = await importKafka('kafkaSubscription')
    const settings = {
      ...clientOptions(connection),
      groupId: group,
      autocommit: false,
      retries: 0,
      sessionTimeout,
      heartbeatInterval,
      // How long the others wait for us to come back: we come at once.
      rebalanceTimeout: sessionTimeout,
      isolationLevel: READ_COMMITTED,
    } as const
    const consumer = new kafka.Consumer<Buffer, Buffer, Buffer, Buffer>(settings)
    const fetcher = new kafka.Consumer<Buffer, Buffer, Buffer, Buffer>(settings)
    const member = new GroupMember(consumer, fetcher, options, onLost)
    try {
      const { connectTimeout, timeout } = connection
      member.#partitionCount = countOf(
        await within(connectTimeout + timeout, consumer.metadata({ topics: [...topics] })),
      )
      consumer.topics.trackAll(...topics)
      await within(connectTimeout + timeout + sessionTimeout, consumer.joinGroup({}))
      return member
    } catch (error) {
      await member.leave()
      throw error
    }
  }

  /** Why it is a member no more. */
  get failure(): unknown {
    return this.#failure
  }

  /** The next records, none when there are none for some time. */
  async fetch(): Promise<readonly FetchedRecord[]> {
    const { generation } = this
    this.#partitions ??= await this.#begin(generation)
    const partitions = this.#partitions
    if (generation !== this.generation || partitions === undefined) return []
    if (partitions.size === 0) {
      await new Promise((resolve) => setTimeout(resolve, WAIT))
      return []
    }
    const { timeout, connectTimeout } = this.#options.connection
    const metadata = await within(
      connectTimeout + timeout,
      this.#consumer.metadata({ topics: [...this.#options.topics] }),
    )
    if (countOf(metadata) > this.#partitionCount) {
      // Nobody reads a partition that was added until the group shares them out anew.
      this.#fail(new OutageError('the topics have more partitions than before: the group is joined again'))
      return []
    }
    const leaders = new Map<number, Map<string, Partition[]>>()
    const topicNames = new Map<string, string>()
    for (const partition of partitions.values()) {
      const topic = metadata.topics.get(partition.topic)
      const leader = topic?.partitions[partition.number]?.leader
      if (topic === undefined || leader === undefined || leader < 0) {
        throw new OutageError(`the partition ${partition.number} of ${partition.topic} has no leader`)
      }
      topicNames.set(topic.id, partition.topic)
      const topics = leaders.get(leader) ?? new Map<string, Partition[]>()
      leaders.set(leader, topics)
      topics.set(topic.id, [...(topics.get(topic.id) ?? []), partition])
    }
    const answers = await Promise.all(
      Array.from(leaders, ([node, topics]) =>
        within(timeout + WAIT, this.#fetcher.fetch(this.#requestFor(node, topics))).catch((error: unknown) =>
          this.#outOfRange(error, [...topics.values()].flat()),
        ),
      ),
    )
    if (generation !== this.generation) return []
    return answers.flatMap((answer) => (answer === undefined ? [] : recordsIn(answer, topicNames, partitions)))
  }

  /** The partition of a record, if it is still ours. */
  partitionOf({ topic, partition }: FetchedRecord): Partition | undefined {
    return this.#partitions?.get(`${topic} ${partition}`)
  }

  /** Commits what may be. */
  async commit(): Promise<void> {
    const { generation } = this
    const advanced = [...(this.#partitions?.values() ?? [])].flatMap((partition) => {
      const offset = partition.toCommit()
      return offset === undefined ? [] : [{ partition, offset }]
    })
    if (advanced.length === 0) return
    const offsets = advanced.map(({ partition: { topic, number, leaderEpoch }, offset }) => ({
      topic,
      partition: number,
      offset,
      leaderEpoch,
    }))
    await within(this.#options.connection.timeout, this.#consumer.commit({ offsets }))
    if (generation === this.generation) for (const { partition, offset } of advanced) partition.committed(offset)
  }

  /** Leaves the group, so that the others need not wait. */
  async leave(): Promise<void> {
    const { timeout } = this.#options.connection
    const closed = [this.#consumer, this.#fetcher].map(
      (each) => new Promise<void>((resolve) => each.close(true, () => resolve())),
    )
    await within(timeout, Promise.all(closed)).catch(() => undefined)
    this.#fail(new OutageError('left the group'))
  }

  #shareOut(): void {
    this.generation++
    this.#partitions = undefined
    this.#onLost()
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#shareOut()
  }

  /** Where each of our partitions goes on. */
  async #begin(generation: number): Promise<Map<string, Partition> | undefined> {
    const assignments = (this.#consumer.assignments ?? []).filter(({ partitions }) => partitions.length > 0)
    const found = new Map<string, Partition>()
    const begun: { topic: string; partition: number; offset: bigint; leaderEpoch: number }[] = []
    if (assignments.length > 0) {
      const { timeout, connectTimeout } = this.#options.connection
      const committed = await within(
        connectTimeout + timeout,
        this.#consumer.listCommittedOffsets({
          topics: assignments.map(({ topic, partitions }) => ({ topic, partitions })),
        }),
      )
      const topics = assignments.map(({ topic }) => topic)
      const timestamp = this.#options.start === 'all' ? EARLIEST : LATEST
      const bounds = await within(connectTimeout + timeout, this.#consumer.listOffsets({ topics, timestamp }))
      for (const { topic, partitions } of assignments) {
        for (const number of partitions) {
          const offset = committed.get(topic)?.[number] ?? -1n
          const start = offset >= 0n ? offset : (bounds.get(topic)?.[number] ?? 0n)
          if (offset < 0n && timestamp === LATEST)
            begun.push({ topic, partition: number, offset: start, leaderEpoch: -1 })
          found.set(`${topic} ${number}`, new Partition(topic, number, start))
        }
      }
      // Where it began is kept, or what comes before the first commit is lost at the next start: that asks for the end again.
      if (begun.length > 0) await within(timeout, this.#consumer.commit({ offsets: begun }))
    }
    return generation === this.generation ? found : undefined
  }

  #requestFor(node: number, topics: ReadonlyMap<string, readonly Partition[]>) {
    const { maxFetchBytes } = this.#options
    return {
      node,
      minBytes: 1,
      maxBytes: maxFetchBytes,
      maxWaitTime: WAIT,
      isolationLevel: READ_COMMITTED,
      topics: Array.from(topics, ([topicId, partitions]) => ({
        topicId,
        partitions: partitions.map(({ number, next }) => ({
          partition: number,
          fetchOffset: next,
          partitionMaxBytes: maxFetchBytes,
          currentLeaderEpoch: -1,
          lastFetchedEpoch: -1,
        })),
      })),
    }
  }

  /** Records that we had not read were deleted, or the log ends before us: goes on with the oldest. Rethrows any other error. */
  async #outOfRange(error: unknown, partitions: readonly Partition[]): Promise<undefined> {
    const found = error instanceof AggregateError && 'findBy' in error ? error.findBy : undefined
    const isOutOfRange = typeof found === 'function' && found.call(error, 'apiId', 'OFFSET_OUT_OF_RANGE') !== null
    if (!isOutOfRange) {
      this.#consumer.clearMetadata()
      this.#fetcher.clearMetadata()
      throw error
    }
    const topics = [...new Set(partitions.map(({ topic }) => topic))]
    const { timeout } = this.#options.connection
    const oldest = await within(timeout, this.#consumer.listOffsets({ topics, timestamp: EARLIEST }))
    const newest = await within(timeout, this.#consumer.listOffsets({ topics, timestamp: LATEST }))
    const beyond: { topic: string; partition: number; offset: bigint; leaderEpoch: number }[] = []
    for (const partition of partitions) {
      const { topic, number } = partition
      const first = oldest.get(topic)?.[number] ?? 0n
      const end = newest.get(topic)?.[number]
      if (partition.next < first) partition.next = first
      else if (end !== undefined && partition.next > end)
        beyond.push({ topic, partition: number, offset: first, leaderEpoch: -1 })
    }
    if (beyond.length > 0) {
      // The log was cut off before where we are, or the offset is of another one. Waiting there for the end to come by
      // would pass over all that is written meanwhile, and say nothing: what there is comes again.
      // First taken back: a record in hand that is done with would commit what is behind it.
      this.#shareOut()
      await within(timeout, this.#consumer.commit({ offsets: beyond }))
    }
    return undefined
  }
}

function countOf({ topics }: Metadata): number {
  return [...topics.values()].reduce((count, { partitionsCount }) => count + partitionsCount, 0)
}
