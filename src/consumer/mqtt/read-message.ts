import { decodeMqtt } from '../../event/mqtt.ts'
import { REQUEUED_FOR } from '../dead-letter-place.ts'
import type { Delivery } from '../subscription.ts'

type PublishPacket = import('mqtt').IPublishPacket

/** The event of a message, or why it has none. */
export function readMessage({
  payload,
  properties,
}: Pick<PublishPacket, 'payload' | 'properties'>): Pick<Delivery, 'event' | 'problem'> {
  try {
    return { event: decodeMqtt(properties?.contentType, properties?.userProperties, payload) }
  } catch (problem) {
    return { event: undefined, problem }
  }
}

/** Whether a dead letter of another consumer was requeued as this message. */
export function isForAnother({ properties }: PublishPacket, consumer: string): boolean {
  const given = properties?.userProperties?.[REQUEUED_FOR]
  return given !== undefined && given !== consumer
}
