import type { PublishOptions } from '../../backend/mqtt/client.ts'
import { fitText } from '../../backend/mqtt/text.ts'
import { errorText } from '../error-text.ts'
import type { DeadLetterReason } from '../subscription.ts'

type PublishPacket = import('mqtt').IPublishPacket

/** How to publish a dead letter: with the properties of the message that was given up, and the reason among them. */
export function deadLetterOptions(
  { topic, properties = {} }: PublishPacket,
  { consumer, error, attempts }: DeadLetterReason,
): PublishOptions {
  const { contentType, userProperties, payloadFormatIndicator, responseTopic, correlationData } = properties
  const given = Object.entries(userProperties ?? {}).map(([name, value]) => [name, value] as const)
  return {
    qos: 1,
    retain: false,
    properties: {
      ...(contentType === undefined ? {} : { contentType }),
      ...(payloadFormatIndicator === undefined ? {} : { payloadFormatIndicator }),
      ...(responseTopic === undefined ? {} : { responseTopic }),
      ...(correlationData === undefined ? {} : { correlationData }),
      userProperties: {
        ...Object.fromEntries(given),
        'broadcaster-consumer': fitText(consumer),
        'broadcaster-error': fitText(errorText(error)),
        'broadcaster-attempts': String(attempts),
        'broadcaster-topic': topic,
      },
    },
  }
}
