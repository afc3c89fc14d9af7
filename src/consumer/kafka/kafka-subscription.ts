import { chainOf, errorOfConnection, protocolName } from '../../backend/kafka/failure.ts'
import { BroadcasterError } from '../../errors.ts'
import { decodeKafka } from '../../event/kafka.ts'
import { REQUEUED_FOR } from '../dead-letter-place.ts'
import { orderKeyOf } from '../order-key.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../subscription.ts'
import { DeadLetters } from './dead-letter.ts'
import { GroupMember } from './group-member.ts'
import { KafkaLetterPlace } from './letter-place.ts'
import {
  type KafkaSubscriptionOptions,
  type ResolvedKafkaSubscriptionOptions,
  resolveSubscriptionOptions,
} from './options.ts'
import type { FetchedRecord } from './partition.ts'
import { readHeaders } from './read-headers.ts'

export type { KafkaSubscriptionOptions } from './options.ts'

/**
 * Receives from Kafka as a member of a consumer group, and commits what was handled. Guarantees and advice for production
 * are in `docs/backends/kafka.md`.
 *
 * @example kafkaSubscription({ bootstrapServers: 'localhost:9092', topics: 'events' })
 */
export function kafkaSubscription(options: KafkaSubscriptionOptions = {}): Subscription {
  return new KafkaSubscription(resolveSubscriptionOptions(options))
}

/** Answers of a group coordinator that is only just starting. */
const STARTING: ReadonlySet<string> = new Set([
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR',
])

class KafkaSubscription implements Subscription {
  readonly description: string
  readonly #options: ResolvedKafkaSubscriptionOptions
  readonly #deadLetters: DeadLetters
  #consumer = ''
  #group = ''
  #member: GroupMember | undefined
  #joining: Promise<GroupMember> | undefined
  #fetching: Promise<void> | undefined
  /** Fetched and not handed out yet. */
  #waiting: FetchedRecord[] = []
  /** Aborts when what was handed out is not ours any more. */
  #lost = new AbortController()
  #committing: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: ResolvedKafkaSubscriptionOptions) {
    this.#options = options
    this.#deadLetters = new DeadLetters(options)
    this.description = `kafka ${options.topics.join(', ')}`
  }

  async open({ consumer }: SubscriptionContext, signal: AbortSignal): Promise<void> {
    this.#refuseIfClosed()
    this.#consumer = consumer
    this.#group = this.#options.group ?? consumer
    try {
      await untilAborted(this.#deadLetters.ensureTopics(), signal)
      await untilAborted(this.#joinPatiently(), signal)
    } catch (error) {
      throw errorOfConnection(error)
    }
  }

  /** The first member of the first group finds no coordinator: Kafka makes the topic of groups only then. */
  async #joinPatiently(): Promise<void> {
    const end = performance.now() + this.#options.connection.timeout
    for (;;) {
      try {
        await this.#join()
        return
      } catch (error) {
        const starting = chainOf(error).some((each) => STARTING.has(protocolName(each) ?? ''))
        if (!starting || performance.now() > end || this.#closing !== undefined) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    this.#refuseIfClosed()
    if (signal.aborted) return []
    try {
      if (this.#waiting.length === 0) {
        // A fetch that was waited for in vain goes on, and what it brings is ours.
        this.#fetching ??= this.#fetch().finally(() => {
          this.#fetching = undefined
        })
        await untilAborted(this.#fetching, signal)
      }
    } catch (error) {
      if (signal.aborted || this.#closing !== undefined) return []
      await this.#leave()
      throw errorOfConnection(error)
    }
    const taken = this.#waiting.splice(0, limit)
    for (const record of taken) this.#member?.partitionOf(record)?.hand(record.offset)
    return taken.filter((record) => !this.#passesOver(record)).map((record) => this.#deliveryOf(record))
  }

  /** A dead letter of another consumer that was requeued: it is committed with whatever comes next. */
  #passesOver(record: FetchedRecord): boolean {
    const consumer = readHeaders(record.headers).get(REQUEUED_FOR)
    if (consumer === undefined || consumer === this.#consumer) return false
    this.#member?.partitionOf(record)?.done(record.offset)
    return true
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  deadLetterPlace({ consumer }: SubscriptionContext): KafkaLetterPlace {
    return new KafkaLetterPlace(this.#options, consumer)
  }

  async #close(): Promise<void> {
    await this.#commit().catch(() => undefined)
    const member = this.#member ?? (await this.#joining?.catch(() => undefined))
    await member?.leave()
    this.#lose()
    await this.#fetching?.catch(() => undefined)
    await this.#deadLetters.close()
  }

  async #fetch(): Promise<void> {
    const member = await this.#join()
    const records = await member.fetch()
    if (member === this.#member) this.#waiting.push(...records)
  }

  #join(): Promise<GroupMember> {
    if (this.#member && this.#member.failure === undefined) return Promise.resolve(this.#member)
    this.#joining ??= this.#joinAnew().finally(() => {
      this.#joining = undefined
    })
    return this.#joining
  }

  async #joinAnew(): Promise<GroupMember> {
    await this.#leave()
    const member = await GroupMember.join(this.#group, this.#options, () => this.#lose())
    if (this.#closing !== undefined) await member.leave()
    this.#member = member
    return member
  }

  async #leave(): Promise<void> {
    const member = this.#member
    this.#member = undefined
    this.#lose()
    await member?.leave()
  }

  /** What was handed out and not committed comes again, here or elsewhere. */
  #lose(): void {
    this.#waiting = []
    const lost = this.#lost
    this.#lost = new AbortController()
    lost.abort()
  }

  #deliveryOf(record: FetchedRecord): Delivery {
    const decoded = read(record)
    const lost = this.#lost.signal
    let written = false
    const conclude = async (): Promise<void> => {
      if (lost.aborted) throw new BroadcasterError('CLOSED', 'the record was handed out elsewhere')
      this.#member?.partitionOf(record)?.done(record.offset)
      await this.#commit()
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
        if (!lost.aborted) this.#putBack(record)
      },
      deadLetter: async (reason: DeadLetterReason) => {
        if (lost.aborted) throw new BroadcasterError('CLOSED', 'the record was handed out elsewhere')
        // When only the commit failed, one copy is enough.
        if (!written) await this.#deadLetters.write(record, reason)
        written = true
        await conclude()
      },
    }
  }

  /** Kafka hands a record out once to a member: what is given back is kept here. */
  #putBack(record: FetchedRecord): void {
    const at = this.#waiting.findIndex(
      ({ topic, partition, offset }) =>
        topic === record.topic && partition === record.partition && offset > record.offset,
    )
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, record)
  }

  /** Commits as far as all is done; one commit at a time, for all that ask meanwhile. */
  async #commit(): Promise<void> {
    // What was done before this moment is in the next commit, not in the one under way.
    await this.#committing?.catch(() => undefined)
    this.#committing ??= Promise.resolve()
      .then(() => this.#member?.commit())
      .catch((error: unknown) => {
        throw errorOfConnection(error)
      })
      .finally(() => {
        this.#committing = undefined
      })
    await this.#committing
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new BroadcasterError('CLOSED', 'this subscription is closed')
  }
}

function read({ headers, value }: FetchedRecord): Pick<Delivery, 'event' | 'problem'> {
  try {
    return { event: decodeKafka(readHeaders(headers), value) }
  } catch (problem) {
    return { event: undefined, problem }
  }
}

/** Until a promise settles, or `signal` aborts: the promise then goes on alone. */
async function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>()
  const onAbort = (): void => aborted.resolve()
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  promise.catch(() => undefined)
  await Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', onAbort))
}
