import { failureOf, type KafkaFailure } from './failure.ts'
import type { KafkaJsProducer } from './options.ts'
import type { PlacedMessage, ProducePort } from './port.ts'

/**
 * A producer in the shape of KafkaJS. It chooses the partitions itself, so a refusal concerns all of a topic's
 * messages.
 */
export function injectedPort(producer: KafkaJsProducer, eachOwnTopic: boolean): ProducePort {
  async function produce(messages: readonly PlacedMessage[]): Promise<ReadonlyMap<string, KafkaFailure>> {
    const refused = new Map<string, KafkaFailure>()
    for (const [topic, placed] of Map.groupBy(messages, ({ message }) => message.topic)) {
      try {
        await producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages: placed.map(messageFor) }] })
      } catch (error) {
        for (const { place } of placed) refused.set(place, failureOf(error, topic, eachOwnTopic))
      }
    }
    return refused
  }

  return { topic: async () => () => 0, produce }
}

function messageFor({ message: { key, value, headers } }: PlacedMessage) {
  return {
    key: key ?? null,
    value: value ?? null,
    headers: Object.fromEntries(Array.from(headers, ([name, content]) => [String(name), content])),
  }
}
