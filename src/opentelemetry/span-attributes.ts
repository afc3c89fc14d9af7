import type { DeliveryEvent } from '../event/delivery-event.ts'
import type { Messaging } from '../event/messaging.ts'
import type { OtelAttributes } from './api.ts'

/** The attributes of the place: by today's name, and by that of the next conventions. */
export function placeAttributes({ system, destination }: Messaging): OtelAttributes {
  return {
    'messaging.system': system,
    'messaging.system.name': system,
    ...(destination !== undefined && { 'messaging.destination.name': destination }),
  }
}

/** The operation: `type` as the conventions name it, `name` as it is called here. */
export function operationAttributes(type: 'create' | 'send' | 'process', name: string): OtelAttributes {
  return { 'messaging.operation.type': type, 'messaging.operation.name': name }
}

/** What is recorded of an event. Never its data, its key or its extensions. */
export function eventAttributes({
  id,
  type,
  source,
  subject,
}: Pick<DeliveryEvent, 'type' | 'source' | 'subject'> & { readonly id?: string }): OtelAttributes {
  return {
    ...(id !== undefined && { 'messaging.message.id': id, 'cloudevents.event_id': id }),
    'cloudevents.event_type': type,
    'cloudevents.event_source': source,
    ...(subject !== undefined && { 'cloudevents.event_subject': subject }),
  }
}
