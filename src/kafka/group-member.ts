import { OutageError } from '../backend/send-error.ts'
import type { SubscriptionContext } from '../consumer/subscription.ts'
import { type Assigned, AssignedReader } from './assigned-reader.ts'
import { backlogOf } from './backlog.ts'
import { clientOptions, importKafka, type KafkaModule, within } from './client.ts'
import { ClusterView, type View } from './cluster-view.ts'
import { chainOf, failureOfCode, nameOfCode } from './failure.ts'
import { LeaderClient } from './leader-client.ts'
import type { FetchedRecord, Partition } from './partition.ts'
import { placeOf } from './port.ts'
import type { ResolvedKafkaSubscriptionOptions } from './subscription-options.ts'

type Consumer = import('@platformatic/kafka').Consumer<Buffer, Buffer, Buffer, Buffer>

/** What a member reports to. */
export interface MemberListeners extends Pick<SubscriptionContext, 'onGap' | 'onTrouble'> {
  /** What was delivered is no longer ours. */
  readonly onLost: () => void
}

interface Offset {
  readonly topic: string
  readonly number: number
  readonly offset: bigint
  readonly leaderEpoch?: number
}

/**
 * A member of a consumer group. It does its own fetching instead of using the client's stream, which goes on with what
 * it had fetched before a rebalance, and stops when a single partition has no leader. It leaves the group only when the
 * coordinator says so, or no longer answers.
 */
export class GroupMember {
  readonly #options: ResolvedKafkaSubscriptionOptions
  readonly #kafka: KafkaModule
  readonly #consumer: Consumer
  readonly #view: ClusterView
  readonly #listeners: MemberListeners
  readonly #leaders = new Map<number, LeaderClient>()
  /** Undefined = partitions were assigned, and where ours begin is not known yet. */
  #reader: AssignedReader | undefined
  /** Goes up with each assignment. */
  generation = 0
  /** Partitions of all topics when we joined, or the fewest since. */
  #partitionCount = Number.POSITIVE_INFINITY
  #failure: unknown
  /** Fires when no heartbeat was answered for so long that Kafka takes us for dead. */
  #alive: NodeJS.Timeout | undefined
  #isAskingForCoordinator = false

  private constructor(
    kafka: KafkaModule,
    group: string,
    options: ResolvedKafkaSubscriptionOptions,
    listeners: MemberListeners,
  ) {
    this.#kafka = kafka
    this.#options = options
    this.#listeners = listeners
    const { connection, sessionTimeout, heartbeatInterval, topics } = options
    this.#view = new ClusterView(kafka, connection)
    const consumer = new kafka.Consumer<Buffer, Buffer, Buffer, Buffer>({
      ...clientOptions(connection),
      groupId: group,
      autocommit: false,
      retries: 0,
      sessionTimeout,
      heartbeatInterval,
      // How long the others wait for us to rejoin: we do so at once.
      rebalanceTimeout: sessionTimeout,
    })
    this.#consumer = consumer
    this.#view.lendTo(consumer, topics)
    consumer.on('consumer:group:join', () => {
      this.#isAlive()
      this.#shareOut()
    })
    // There are no heartbeats while it rejoins; the client reports when that fails.
    consumer.on('consumer:group:rebalance', () => clearTimeout(this.#alive))
    consumer.on('consumer:heartbeat:end', () => this.#isAlive())
    consumer.on('consumer:heartbeat:error', () => void this.#askForCoordinator(group))
    // It could not rejoin: a new member must be made.
    consumer.on('error', (error: unknown) => this.#fail(error))
  }

  static async join(
    group: string,
    options: ResolvedKafkaSubscriptionOptions,
    listeners: MemberListeners,
  ): Promise<GroupMember> {
    const { connection, sessionTimeout, topics } = options
    const member = new GroupMember(await importKafka('kafkaSubscription'), group, options, listeners)
    try {
      const { connectTimeout, timeout } = connection
      const view = await member.#view.of(topics)
      for (const [topic, name] of view.refused) throw failureOfCode(name, topic, false).error
      member.#partitionCount = countOf(view)
      member.#consumer.topics.trackAll(...topics)
      await within(connectTimeout + timeout + sessionTimeout, member.#consumer.joinGroup({}))
      return member
    } catch (error) {
      await member.leave()
      throw error
    }
  }

  /** Why it is no longer a member. */
  get failure(): unknown {
    return this.#failure
  }

  /** The next records; none after a while without any. Rejects with an `OutageError` when nothing can be read. */
  async fetch(): Promise<readonly FetchedRecord[]> {
    const { generation } = this
    this.#reader ??= await this.#begin(generation)
    const reader = this.#reader
    if (generation !== this.generation || reader === undefined) return []
    const count = countOf(await this.#view.of(this.#options.topics))
    if (count > this.#partitionCount) {
      // An added partition is not read until the group rebalances.
      this.#fail(new OutageError('the topics have more partitions than before: the group is joined again'))
      return []
    }
    this.#partitionCount = Math.min(this.#partitionCount, count)
    const records = await reader.read()
    return generation === this.generation ? records : []
  }

  /** The partition of a record, if it is still ours. */
  partitionOf({ topic, partition }: FetchedRecord): Partition | undefined {
    return this.#reader?.partitionAt(placeOf(topic, partition))
  }

  /** Commits what may be committed. Resolves with the places that Kafka did not accept, and why. */
  async commit(): Promise<ReadonlyMap<string, Error>> {
    const { generation } = this
    const advanced = [...(this.#reader?.partitions ?? [])].flatMap((partition) => {
      const offset = partition.toCommit()
      return offset === undefined ? [] : [{ partition, offset }]
    })
    const refused = await this.#commit(
      advanced.map(({ partition: { topic, number, leaderEpoch }, offset }) => ({ topic, number, offset, leaderEpoch })),
    )
    if (generation === this.generation) {
      for (const { partition, offset } of advanced) {
        if (!refused.has(placeOf(partition.topic, partition.number))) partition.committed(offset)
      }
    }
    return refused
  }

  /** Leaves the group, so that the others need not wait. */
  async leave(): Promise<void> {
    const { timeout } = this.#options.connection
    // Called synchronously, so that nothing is asked of a client that is being closed.
    const left = new Promise<void>((resolve) => this.#consumer.close(true, () => resolve()))
    await within(timeout, Promise.all([left, ...this.#closeLeaders()])).catch(() => undefined)
    this.#view.close()
    clearTimeout(this.#alive)
    this.#fail(new OutageError('left the group'))
  }

  #closeLeaders(): readonly Promise<void>[] {
    const leaders = [...this.#leaders.values()]
    this.#leaders.clear()
    return leaders.map((leader) => leader.close())
  }

  #shareOut(): void {
    this.generation++
    this.#reader = undefined
    this.#listeners.onLost()
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    clearTimeout(this.#alive)
    this.#shareOut()
  }

  #isAlive(): void {
    clearTimeout(this.#alive)
    if (this.#failure !== undefined) return
    const { sessionTimeout } = this.#options
    const dead = (): void =>
      this.#fail(new OutageError(`the coordinator of the group has not answered for ${sessionTimeout} ms`))
    this.#alive = setTimeout(dead, sessionTimeout)
    this.#alive.unref()
  }

  /** The client keeps asking the brokers it knows: after a failover none of them may answer. */
  async #askForCoordinator(group: string): Promise<void> {
    if (this.#isAskingForCoordinator || this.#failure !== undefined) return
    this.#isAskingForCoordinator = true
    const current = await this.#view.coordinatorOf(group).catch(() => undefined)
    this.#isAskingForCoordinator = false
    if (current === undefined || current === this.#coordinator) return
    this.#fail(new OutageError('another broker coordinates the group now: it is joined again'))
  }

  /** Records that the group has not committed. */
  backlog(): Promise<number> {
    return backlogOf(this.#consumer, this.#options)
  }

  get #coordinator(): number | null {
    return this.#consumer.coordinatorId
  }

  /** Where each of our partitions goes on. */
  async #begin(generation: number): Promise<AssignedReader | undefined> {
    const assignments = (this.#consumer.assignments ?? []).filter(({ partitions }) => partitions.length > 0)
    const assigned: Assigned[] = []
    if (assignments.length > 0) {
      const { timeout, connectTimeout } = this.#options.connection
      const topics = assignments.map(({ topic, partitions }) => ({ topic, partitions }))
      const committed = await within(connectTimeout + timeout, this.#consumer.listCommittedOffsets({ topics }))
      for (const { topic, partitions } of assignments) {
        for (const number of partitions) {
          const offset = committed.get(topic)?.[number] ?? -1n
          assigned.push({ topic, number, committed: offset >= 0n ? offset : undefined })
        }
      }
    }
    return generation === this.generation ? this.#readerOf(assigned) : undefined
  }

  #readerOf(assigned: readonly Assigned[]): AssignedReader {
    const { topics, start } = this.#options
    const keep = async (offsets: readonly Offset[]): Promise<void> => {
      for (const error of (await this.#commit(offsets)).values()) throw error
    }
    return new AssignedReader(assigned, {
      ...{ view: this.#view, topics, start, keep },
      ...{ onGap: this.#listeners.onGap, onTrouble: this.#listeners.onTrouble },
      clientOf: (node, view) => this.#leaderOf(node, view),
      drop: (client) => {
        if (this.#leaders.get(client.node) === client) this.#leaders.delete(client.node)
        void client.close()
      },
      rewind: async (offsets) => {
        // Taken back first: a record in hand that is concluded now would commit the records before it.
        this.#shareOut()
        await keep(offsets)
      },
    })
  }

  #leaderOf(node: number, { brokers }: View): LeaderClient {
    const found = this.#leaders.get(node)
    const { host = '', port = 0 } = brokers.get(node) ?? {}
    if (found?.isOf({ host, port })) return found
    void found?.close()
    const made = new LeaderClient(this.#kafka, this.#options, node, { host, port })
    this.#leaders.set(node, made)
    return made
  }

  async #commit(offsets: readonly Offset[]): Promise<ReadonlyMap<string, Error>> {
    const refused = new Map<string, Error>()
    if (offsets.length === 0) return refused
    const request = offsets.map(({ topic, number, offset, leaderEpoch = -1 }) => ({
      ...{ topic, partition: number, offset, leaderEpoch },
    }))
    try {
      await within(this.#options.connection.timeout, this.#consumer.commit({ offsets: request }))
    } catch (error) {
      const answer = chainOf(error).find((each) => 'response' in each) as
        | { readonly response?: CommitAnswer }
        | undefined
      const parts = (answer?.response?.topics ?? []).flatMap(({ name, partitions }) =>
        partitions.map((part) => ({ ...part, place: placeOf(name, part.partitionIndex) })),
      )
      for (const { place, errorCode } of parts) {
        if (errorCode !== 0) refused.set(place, failureOfCode(nameOfCode(this.#kafka, errorCode), place, false).error)
      }
      // An error about the member is reported for every partition.
      if (refused.size === 0 || refused.size === offsets.length) throw error
    }
    return refused
  }
}

interface CommitAnswer {
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: number }[]
  }[]
}

function countOf({ topics }: View): number {
  return [...topics.values()].reduce((count, { partitionsCount }) => count + partitionsCount, 0)
}
