import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { chainOf, failureOf, failureOfCode, type KafkaFailure, protocolName } from './failure.ts'
import { type LaneClient, laneClient } from './lane-client.ts'
import type { ResolvedKafkaOptions } from './options.ts'
import { type ChoosePartition, type LaneOwner, type PlacedMessage, type ProducePort, placeOf } from './port.ts'
import type { ProducerPort } from './producer-port.ts'

interface LaneProducer {
  readonly fence: number
  readonly producerId: bigint
  readonly producerEpoch: number
  /** The next number of each partition, by `topic:partition`. */
  readonly sequences: Map<string, number>
}

/** Kafka's errors for a producer whose lane has a newer one. */
const FENCED: ReadonlySet<string> = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'])
/** Worth sending again at once, with the same sequence numbers: what was already written is not written twice. */
const AGAIN: ReadonlySet<string> = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'UNKNOWN_LEADER_EPOCH',
  'FENCED_LEADER_EPOCH',
])
const REPEATS = 2
const REPEAT_DELAY = 50

/**
 * A producer for each lane, with its own name (transactional id) at Kafka. The worker that takes a lane over asks for
 * the next epoch of that name; once it has written to a partition, Kafka refuses whatever comes there from an earlier
 * epoch: the late send of a worker that was frozen and lost its lane. No transactions: they would add atomicity, not
 * the fence.
 */
export class FencedPort implements ProducePort {
  readonly #port: ProducerPort
  readonly #client: LaneClient
  readonly #options: ResolvedKafkaOptions
  readonly #eachOwnTopic: boolean
  readonly #lanes = new Map<number, LaneProducer>()
  /** The fence under which a lane's producer was last refused. */
  readonly #refused = new Map<number, number>()

  constructor(port: ProducerPort, name: string, options: ResolvedKafkaOptions, eachOwnTopic: boolean) {
    this.#port = port
    this.#client = laneClient(port, name, options)
    this.#options = options
    this.#eachOwnTopic = eachOwnTopic
  }

  topic(name: string): Promise<ChoosePartition> {
    return this.#port.topic(name)
  }

  async produce(messages: readonly PlacedMessage[]): Promise<ReadonlyMap<string, KafkaFailure>> {
    const refused = new Map<string, KafkaFailure>()
    const lanes = Map.groupBy(messages, ({ owner }) => owner?.lane)
    const writeLane = async (group: readonly PlacedMessage[]): Promise<void> => {
      try {
        for (const [place, failure] of await this.#writeLane(group)) refused.set(place, failure)
      } catch (error) {
        const failure = failureOf(error, group[0]?.message.topic ?? '', this.#eachOwnTopic)
        for (const { place } of group) refused.set(place, { ...failure, divisible: false })
      }
    }
    await Promise.all(Array.from(lanes.values(), writeLane))
    return this.#port.noted(messages, refused)
  }

  async #writeLane(group: readonly PlacedMessage[]): Promise<ReadonlyMap<string, KafkaFailure>> {
    const owner = group[0]?.owner
    if (owner === undefined) throw noOwner()
    let lane = this.#lanes.get(owner.lane)
    if (lane?.fence !== owner.fence) {
      // Refused under this very fence: a worker that was frozen must not fence the current owner.
      if (this.#refused.get(owner.lane) === owner.fence) await nextTurn()
      if (!group.some((message) => message.wanted())) return new Map()
      lane = { fence: owner.fence, ...(await this.#client.begin(owner.lane)), sequences: new Map() }
      this.#lanes.set(owner.lane, lane)
      // A process that was frozen before it asked has just fenced the current owner. Once its timers have run it knows
      // that its lease is over, and writes nothing.
      await nextTurn()
    }
    const wanted = group.filter((message) => message.wanted())
    if (wanted.length === 0) return new Map()
    const refused = await this.#write(owner, lane, wanted)
    const unclear = [...refused.values()].some(({ error }) => error instanceof OutageError)
    if (unclear || [...refused.values()].some(({ error }) => error.code === 'SEND_NOT_ATTEMPTED')) {
      // What was written is no longer known: the next epoch counts from the beginning.
      this.#lanes.delete(owner.lane)
    }
    return refused
  }

  async #write(
    owner: NonNullable<LaneOwner>,
    lane: LaneProducer,
    wanted: readonly PlacedMessage[],
  ): Promise<ReadonlyMap<string, KafkaFailure>> {
    const refused = new Map<string, KafkaFailure>()
    let left = wanted
    for (let repeats = REPEATS; left.length > 0; repeats--) {
      const again: PlacedMessage[] = []
      for (const { messages, error, answers } of await this.#client.write(left, lane)) {
        const names = new Map(answers.map(({ topic, partition, name }) => [placeOf(topic, partition), name]))
        for (const [place, batch] of Map.groupBy(messages, ({ place: at }) => at)) {
          const [first] = batch
          if (first === undefined) continue
          const { topic } = first.message
          const name = error === undefined ? 'NONE' : names.get(placeOf(topic, first.partition))
          // It was written the first time, and the answer was lost.
          if (name === 'NONE' || name === 'DUPLICATE_SEQUENCE_NUMBER') {
            const key = `${topic}:${first.partition}`
            lane.sequences.set(key, ((lane.sequences.get(key) ?? 0) + batch.length) % 2 ** 31)
          } else if (repeats > 0 && (name === undefined ? isUnanswered(error) : AGAIN.has(name))) again.push(...batch)
          else if (name !== undefined && FENCED.has(name)) refused.set(place, this.#fenced(owner, error))
          else {
            refused.set(
              place,
              name === undefined
                ? { ...failureOf(error, topic, this.#eachOwnTopic), divisible: false }
                : failureOfCode(name, topic, this.#eachOwnTopic, error, placeOf(topic, first.partition)),
            )
          }
        }
      }
      left = again
      if (left.length > 0) {
        this.#client.forgetLeaders()
        await sleep(REPEAT_DELAY)
      }
    }
    return refused
  }

  /** The first time, the lane was lost. A second time under the same fence means that another outbox uses the name. */
  #fenced({ lane, fence }: NonNullable<LaneOwner>, cause: unknown): KafkaFailure {
    const twice = this.#refused.get(lane) === fence
    this.#refused.set(lane, fence)
    const error = twice
      ? new OutageError(
          `another producer has the transactional id ${this.#client.idOf(lane)}; give each outbox a name of its own: fenced: 'orders'`,
          { field: 'fenced', value: this.#options.fenced, cause },
        )
      : new BroadcasterError('SEND_NOT_ATTEMPTED', 'Kafka wrote nothing: another worker has this lane by now', {
          cause,
        })
    return { error, divisible: false }
  }
}

/** Whether the error leaves open if Kafka has written it. */
function isUnanswered(error: unknown): boolean {
  return (
    chainOf(error).every((each) => protocolName(each) === undefined) &&
    failureOf(error, '', false).error instanceof OutageError
  )
}

function noOwner(): OutageError {
  return new OutageError(
    'kafka({ fenced }) needs the third argument of send, by which a worker tells the lanes of the events; pass it on',
    { field: 'fenced' },
  )
}
