import { delivered, notAttempted, notDelivered, type SendResult } from '../backend/backend.ts'
import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { errorOfConnection, failureOf, type KafkaFailure } from './failure.ts'
import type { KafkaMessage } from './message.ts'
import { type ChoosePartition, type LaneOwner, type PlacedMessage, type ProducePort, placeOf } from './port.ts'

/** The events of one send. */
export interface SendRun {
  /** Keys of which an event was not delivered: none after it may be. */
  readonly stopped: Set<string>
  aborted: boolean
}

/** An event in the queue. */
export interface QueuedMessage {
  readonly message: KafkaMessage
  /** The partition key; null = on its own. */
  readonly key: string | null
  /** Where each lane has a producer of its own. */
  readonly owner: LaneOwner
  readonly run: SendRun
  state: 'waiting' | 'sent' | 'settled'
  readonly settle: (result: SendResult) => void
}

/** What goes to one place. */
interface Batch {
  readonly partition: number
  readonly group: QueuedMessage[]
}

/** The most that one request carries, in bytes; Kafka's own limit is 100 MiB. */
const MOST_BYTES = 8 * 1024 * 1024

/**
 * Writes what several sends have for Kafka, one request at a time: what arrives while one is in flight goes with the
 * next. A partition takes a batch whole or not at all, so the order of a key is kept by never having two in flight; and
 * the client, asked for two at once, would give both the same sequence number, and Kafka would drop the second.
 */
export class ProduceQueue {
  readonly #port: ProducePort
  readonly #maxBatchBytes: number
  readonly #eachOwnTopic: boolean
  #waiting: QueuedMessage[] = []
  #running: Promise<void> | undefined
  /** How many messages are still sent one by one: one of them made the client throw. */
  #oneByOne = 0
  /** At most this many records in a batch of a place, after one was refused. */
  readonly #limits = new Map<string, number>()

  constructor(port: ProducePort, options: { readonly maxBatchBytes: number; readonly eachOwnTopic: boolean }) {
    this.#port = port
    this.#maxBatchBytes = options.maxBatchBytes
    this.#eachOwnTopic = options.eachOwnTopic
  }

  add(messages: readonly QueuedMessage[]): void {
    for (const message of messages) this.#waiting.push(message)
    this.#running ??= this.#run()
  }

  /** Resolves when nothing is queued or in flight. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const topics = await this.#topics()
      const batch = this.#take(topics)
      if (batch.size > 0) await this.#produce(batch)
    }
    // In the same step as the look above: an addition from now on begins a new one.
    this.#running = undefined
  }

  /** How to choose a partition of every topic in the queue, or why there is none. */
  async #topics(): Promise<ReadonlyMap<string, ChoosePartition | BroadcasterError>> {
    const found = new Map<string, ChoosePartition | BroadcasterError>()
    for (const topic of new Set(this.#waiting.map(({ message }) => message.topic))) {
      try {
        found.set(topic, await this.#port.topic(topic))
      } catch (thrown) {
        // With one topic for all, no event is to blame.
        const error = this.#eachOwnTopic ? failureOf(thrown, topic, true).error : errorOfConnection(thrown, topic)
        found.set(topic, error)
        if (!(error instanceof OutageError)) continue
        for (const each of this.#waiting.splice(0)) this.#refuse(each, error)
        break
      }
    }
    return found
  }

  /** The next messages of each place, in order, as many as fit. The events of a key are in one place, or wait. */
  #take(topics: ReadonlyMap<string, ChoosePartition | BroadcasterError>): Map<string, Batch> {
    const batch = new Map<string, Batch>()
    const alone = this.#oneByOne > 0
    const sizes = new Map<string, number>()
    const full = new Set<string>()
    /** The place of the earlier events of a key; undefined = they wait. */
    const keys = new Map<SendRun, Map<string, string | undefined>>()
    let total = 0
    const later: QueuedMessage[] = []
    for (const queued of this.#waiting) {
      const { message, key, owner, run } = queued
      if (queued.state === 'settled') continue
      if (run.aborted || (key !== null && run.stopped.has(key))) {
        this.#settle(queued, notAttempted)
        continue
      }
      const before = keys.get(run) ?? new Map<string, string | undefined>()
      keys.set(run, before)
      const topic = topics.get(message.topic)
      if (topic instanceof BroadcasterError && (key === null || !before.has(key))) {
        this.#refuse(queued, topic)
        continue
      }
      const partition = typeof topic === 'function' ? topic(message.key) : 0
      const lane = owner === undefined ? '' : ` of lane ${owner.lane} ${owner.fence}`
      const place = typeof topic === 'function' ? placeOf(message.topic, partition) + lane : undefined
      const elsewhere = key !== null && before.has(key) && before.get(key) !== place
      const group = (place === undefined ? undefined : batch.get(place)?.group) ?? []
      const size = (place === undefined ? 0 : (sizes.get(place) ?? 0)) + message.size
      if (place !== undefined && group.length > 0) {
        if (size > this.#maxBatchBytes || group.length >= (this.#limits.get(place) ?? Number.POSITIVE_INFINITY))
          full.add(place)
      }
      const enough = total >= MOST_BYTES || (alone && total > 0)
      if (place === undefined || elsewhere || full.has(place) || enough) {
        if (key !== null) before.set(key, undefined)
        later.push(queued)
        continue
      }
      if (key !== null) before.set(key, place)
      queued.state = 'sent'
      group.push(queued)
      batch.set(place, { partition, group })
      sizes.set(place, size)
      total += message.size
    }
    this.#waiting = later
    if (alone) this.#oneByOne--
    return batch
  }

  async #produce(batch: ReadonlyMap<string, Batch>): Promise<void> {
    const messages = Array.from(batch, ([place, { partition, group }]) =>
      group.map((queued): PlacedMessage => {
        const { message, owner } = queued
        return { message, partition, place, owner, wanted: () => queued.state === 'sent' }
      }),
    ).flat()
    let refused: ReadonlyMap<string, KafkaFailure>
    try {
      refused = await this.#port.produce(messages)
    } catch (error) {
      const all = Array.from(batch.values(), ({ group }) => group).flat()
      const { error: failure, divisible } = failureOf(error, all[0]?.message.topic ?? '', this.#eachOwnTopic)
      if (divisible && all.length > 1) {
        this.#oneByOne = all.length
        this.#again(all)
        return
      }
      for (const each of all) this.#refuse(each, failure)
      // What was not sent costs nothing.
      for (const each of this.#waiting.splice(0)) this.#settle(each, notAttempted)
      return
    }
    const again: QueuedMessage[] = []
    for (const [place, { group }] of batch) {
      const failure = refused.get(place)
      if (!failure) {
        this.#widen(place)
        for (const each of group) this.#settle(each, delivered)
      } else if (failure.divisible && group.length > 1) {
        this.#limits.set(place, Math.floor(group.length / 2))
        again.push(...group)
      } else {
        this.#widen(place)
        for (const each of group) this.#refuse(each, failure.error)
      }
    }
    this.#again(again)
  }

  /** Puts messages back to the front, in their order. */
  #again(messages: readonly QueuedMessage[]): void {
    for (const each of messages) if (each.state === 'sent') each.state = 'waiting'
    this.#waiting.unshift(...messages)
  }

  #widen(place: string): void {
    const limit = this.#limits.get(place)
    if (limit === undefined) return
    if (limit >= 1_024) this.#limits.delete(place)
    else this.#limits.set(place, limit * 2)
  }

  #refuse(queued: QueuedMessage, error: unknown): void {
    if (queued.key !== null) queued.run.stopped.add(queued.key)
    this.#settle(queued, notDelivered(error))
  }

  #settle(queued: QueuedMessage, result: SendResult): void {
    if (queued.state === 'settled') return
    queued.state = 'settled'
    queued.settle(result)
  }
}
