import { REQUEUED_FOR } from '../consumer/dead-letter-place.ts'
import { orderKeyOf, readEvent } from '../consumer/read-event.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../consumer/subscription.ts'
import { subscriptionOf } from '../consumer/subscription-of.ts'
import { BroadcasterError } from '../errors.ts'
import { decodeKafka } from '../event/kafka.ts'
import { untilSettled } from '../foundation/waiting.ts'
import { deadLetters } from './dead-letter.ts'
import { chainOf, errorOfConnection, protocolName } from './failure.ts'
import { GroupMember, type MemberListeners } from './group-member.ts'
import { kafkaLetterPlace } from './letter-place.ts'
import type { FetchedRecord } from './partition.ts'
import { placeOf } from './port.ts'
import { readEventHeaders, readHeaders } from './read-headers.ts'
import {
  type KafkaSubscriptionOptions,
  type ResolvedKafkaSubscriptionOptions,
  resolveSubscriptionOptions,
} from './subscription-options.ts'

export type { KafkaSubscriptionOptions } from './subscription-options.ts'

/**
 * Receives from Kafka as a member of a consumer group, and commits what was handled. Guarantees and advice for
 * production are in `docs/backends/kafka.md`.
 *
 * @example kafkaSubscription({ bootstrapServers: 'localhost:9092', topics: 'events' })
 */
export function kafkaSubscription(options: KafkaSubscriptionOptions = {}): Subscription {
  const resolved = resolveSubscriptionOptions(options)
  return subscriptionOf((closing) => subscribe(resolved, closing))
}

/** Errors of a group coordinator that is still starting. */
const STARTING: ReadonlySet<string> = new Set([
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR',
])

function subscribe(options: ResolvedKafkaSubscriptionOptions, closing: AbortSignal): Subscription {
  const letters = deadLetters(options)
  let consumer = ''
  let group = ''
  let listeners: MemberListeners = { onLost: lose }
  let member: GroupMember | undefined
  let joining: Promise<GroupMember> | undefined
  let fetching: Promise<void> | undefined
  /** Fetched and not delivered yet. */
  let waiting: FetchedRecord[] = []
  /** Aborts when what was delivered is no longer ours. */
  let ours = new AbortController()
  let committing: Promise<ReadonlyMap<string, Error>> | undefined

  async function open(context: SubscriptionContext, signal: AbortSignal): Promise<void> {
    consumer = context.consumer
    group = options.group ?? consumer
    listeners = { ...context, onLost: lose }
    try {
      await untilSettled(letters.ensureTopics(), signal)
      await untilSettled(joinPatiently(), signal)
    } catch (error) {
      throw errorOfConnection(error)
    }
  }

  /** The first member of the first group finds no coordinator: Kafka makes its topic for groups only then. */
  async function joinPatiently(): Promise<void> {
    const end = performance.now() + options.connection.timeout
    for (;;) {
      try {
        return void (await join())
      } catch (error) {
        const starting = chainOf(error).some((each) => STARTING.has(protocolName(each) ?? ''))
        if (!starting || performance.now() > end || closing.aborted) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async function receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    try {
      if (waiting.length === 0) {
        // A fetch that outlasts its wait goes on, and what it brings is delivered later.
        fetching ??= fetch().finally(() => {
          fetching = undefined
        })
        await untilSettled(fetching, signal)
      }
    } catch (error) {
      // It stays in the group: another member could not read it now either.
      throw errorOfConnection(error)
    }
    const taken = waiting.splice(0, limit)
    for (const record of taken) member?.partitionOf(record)?.hand(record.offset)
    return taken.filter((record) => !passesOver(record)).map((record) => deliveryOf(record))
  }

  /** Skips a requeued dead letter of another consumer; it is committed with whatever comes next. */
  function passesOver(record: FetchedRecord): boolean {
    if ((readHeaders(record.headers).get(REQUEUED_FOR) ?? consumer) === consumer) return false
    member?.partitionOf(record)?.done(record.offset)
    return true
  }

  async function close(): Promise<void> {
    await commit().catch(() => undefined)
    const last = member ?? (await joining?.catch(() => undefined))
    await last?.leave()
    lose()
    await fetching?.catch(() => undefined)
    await letters.close()
  }

  async function fetch(): Promise<void> {
    const joined = await join()
    const records = await joined.fetch()
    if (joined === member) waiting.push(...records)
  }

  function join(): Promise<GroupMember> {
    if (member && member.failure === undefined) return Promise.resolve(member)
    joining ??= joinAnew().finally(() => {
      joining = undefined
    })
    return joining
  }

  async function joinAnew(): Promise<GroupMember> {
    await leave()
    const joined = await GroupMember.join(group, options, listeners)
    if (closing.aborted) await joined.leave()
    member = joined
    return joined
  }

  async function leave(): Promise<void> {
    const left = member
    member = undefined
    lose()
    await left?.leave()
  }

  /** What was delivered and not committed is delivered again, here or elsewhere. */
  function lose(): void {
    waiting = []
    const before = ours
    ours = new AbortController()
    before.abort()
  }

  function deliveryOf(record: FetchedRecord): Delivery {
    const decoded = readEvent(() => decodeKafka(readEventHeaders(record.headers), record.value))
    const { signal: lost } = ours
    let written = false
    const refuseIfLost = (): void => {
      if (lost.aborted) throw new BroadcasterError('CLOSED', 'the record was delivered elsewhere')
    }
    const conclude = async (): Promise<void> => {
      refuseIfLost()
      member?.partitionOf(record)?.done(record.offset)
      const refused = (await commit()).get(placeOf(record.topic, record.partition))
      if (refused !== undefined) throw errorOfConnection(refused)
    }
    return {
      ...decoded,
      key: orderKeyOf(decoded.event),
      // Kafka does not count.
      count: 1,
      position: `${record.topic} ${record.partition} ${record.offset}`,
      lost,
      acknowledge: conclude,
      release: async () => {
        if (!lost.aborted) putBack(record)
      },
      deadLetter: async (reason: DeadLetterReason) => {
        refuseIfLost()
        // When only the commit failed, one copy is enough.
        if (!written) await letters.write(record, reason)
        written = true
        await conclude()
      },
    }
  }

  /** Kafka delivers a record once to a member: what is given back is kept here. */
  function putBack(record: FetchedRecord): void {
    const at = waiting.findIndex(
      ({ topic, partition, offset }) =>
        topic === record.topic && partition === record.partition && offset > record.offset,
    )
    waiting.splice(at < 0 ? waiting.length : at, 0, record)
  }

  /** Commits as far as all is done; one commit at a time for all callers. Resolves with what Kafka did not accept. */
  async function commit(): Promise<ReadonlyMap<string, Error>> {
    // What was done before this moment is in the next commit, not in the one that is running.
    await committing?.catch(() => undefined)
    committing ??= Promise.resolve()
      .then(() => member?.commit() ?? new Map<string, Error>())
      .catch((error: unknown) => {
        throw errorOfConnection(error)
      })
      .finally(() => {
        committing = undefined
      })
    return committing
  }

  return {
    description: `kafka ${options.topics.join(', ')}`,
    messaging: { system: 'kafka', destination: options.topics.join(', ') },
    ...{ open, receive, close },
    backlog: async () => member?.backlog(),
    deadLetterPlace: (context) => kafkaLetterPlace(options, context.consumer),
  }
}
