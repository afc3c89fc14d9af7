import type { KafkaFailure } from './failure.ts'
import type { KafkaMessage } from './message.ts'

/** A message with its partition. */
export interface PlacedMessage {
  readonly message: KafkaMessage
  readonly partition: number
}

/** A topic's partition, as the key of a map. */
export function placeOf(topic: string, partition: number): string {
  return `${topic} ${partition}`
}

/** The partition of a key. Without a key always the same: one batch rather than many small ones. */
export type ChoosePartition = (key: Buffer | undefined) => number

/** What the queue needs of a client. One call of `produce` at a time. */
export interface ProducePort {
  /** How to choose a partition of a topic, for the next request. Rejects with whatever the client threw. */
  topic(name: string): Promise<ChoosePartition>
  /** Writes, and waits for the replicas; resolves with the places that refused. Rejects when nobody knows. */
  produce(messages: readonly PlacedMessage[]): Promise<ReadonlyMap<string, KafkaFailure>>
}
