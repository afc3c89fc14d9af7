import { REQUEUED_FOR } from '../consumer/dead-letter-place.ts'
import { type ReadEvent, readEvent } from '../consumer/read-event.ts'
import { decodeMqtt } from '../event/mqtt.ts'

type PublishPacket = import('mqtt').IPublishPacket

/** The event of a message, or why it has none. */
export function readMessage({ payload, properties }: Pick<PublishPacket, 'payload' | 'properties'>): ReadEvent {
  return readEvent(() => decodeMqtt(properties?.contentType, properties?.userProperties, payload))
}

/** Whether this message is a requeued dead letter of another consumer. */
export function isForAnother({ properties }: PublishPacket, consumer: string): boolean {
  const given = properties?.userProperties?.[REQUEUED_FOR]
  return given !== undefined && given !== consumer
}
