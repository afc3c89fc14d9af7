import { failureOf, type KafkaFailure } from './failure.ts'
import type { KafkaJsProducer } from './options.ts'
import type { ChoosePartition, PlacedMessage, ProducePort } from './port.ts'

/** A producer in the shape of KafkaJS. It chooses the partitions, so a refusal concerns all of a topic's messages. */
export class InjectedPort implements ProducePort {
  readonly #producer: KafkaJsProducer
  readonly #eachOwnTopic: boolean

  constructor(producer: KafkaJsProducer, eachOwnTopic: boolean) {
    this.#producer = producer
    this.#eachOwnTopic = eachOwnTopic
  }

  async topic(): Promise<ChoosePartition> {
    return () => 0
  }

  async produce(messages: readonly PlacedMessage[]): Promise<ReadonlyMap<string, KafkaFailure>> {
    const refused = new Map<string, KafkaFailure>()
    const topics = new Map<string, PlacedMessage[]>()
    for (const placed of messages) {
      const { topic } = placed.message
      const group = topics.get(topic)
      if (group) group.push(placed)
      else topics.set(topic, [placed])
    }
    for (const [topic, placed] of topics) {
      try {
        await this.#producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages: placed.map(messageFor) }] })
      } catch (error) {
        for (const { place } of placed) refused.set(place, failureOf(error, topic, this.#eachOwnTopic))
      }
    }
    return refused
  }
}

function messageFor({ message: { key, value, headers } }: PlacedMessage) {
  return {
    key: key ?? null,
    value: value ?? null,
    headers: Object.fromEntries(Array.from(headers, ([name, content]) => [String(name), content])),
  }
}
