import type { SendContext } from '../backend/backend.ts'
import type { KafkaFailure } from './failure.ts'
import type { KafkaMessage } from './message.ts'

/** The lane and fence under which an event is sent, from the relay. */
export type LaneOwner = ReturnType<SendContext['ownerOf']>

/** A message with its partition. */
export interface PlacedMessage {
  readonly message: KafkaMessage
  readonly partition: number
  /** What takes or refuses a batch as a whole: a partition, and the lane where each has its own producer. */
  readonly place: string
  readonly owner: LaneOwner
  /** Whether it is still to be written: its send may have been cut short. */
  wanted(): boolean
}

/** A topic's partition, as the key of a map. */
export function placeOf(topic: string, partition: number): string {
  return `${topic} ${partition}`
}

/** Chooses the partition of a key. Without a key always the same: one batch instead of many small ones. */
export type ChoosePartition = (key: Buffer | undefined) => number

/** A message by itself. */
export function placed(message: KafkaMessage, choose: ChoosePartition): PlacedMessage {
  const partition = choose(message.key)
  return { message, partition, place: placeOf(message.topic, partition), owner: undefined, wanted: () => true }
}

/** What the queue needs of a client. One call of `produce` at a time. */
export interface ProducePort {
  /** How to choose a partition of a topic in the next request. Rejects with whatever the client threw. */
  topic(name: string): Promise<ChoosePartition>
  /** Writes, and waits for the replicas; resolves with the places that refused. Rejects when the outcome is unknown. */
  produce(messages: readonly PlacedMessage[]): Promise<ReadonlyMap<string, KafkaFailure>>
}
