import { chosenBy } from '../backend/chosen-by.ts'
import { PermanentError } from '../backend/send-error.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'

/** What Kafka accepts as the name of a topic. */
export const TOPIC = 'a topic: at most 249 letters, digits, dots, underscores and hyphens'

/** Whether Kafka accepts it as the name of a topic. */
export function isTopic(topic: unknown): topic is string {
  return typeof topic === 'string' && /^[\w.-]{1,249}$/.test(topic) && topic !== '.' && topic !== '..'
}

/**
 * The topic of an event: `{type}` in a name stands for the event's type, with `_` for what a topic may not contain.
 * Throws a `PermanentError` for what is not a topic; `field` = what it blames.
 */
export function topicOf(
  choice: string | ((event: OutgoingEvent) => string),
  event: OutgoingEvent,
  field = 'topic',
): string {
  const topic = typeof choice === 'function' ? chosenBy('topic', choice, event) : filled(choice, event)
  if (isTopic(topic)) return topic
  throw new PermanentError(
    `topic is ${JSON.stringify(topic)}, which is not a topic: at most 249 letters, digits, dots, underscores and hyphens`,
    { field, value: topic },
  )
}

function filled(pattern: string, event: OutgoingEvent): string {
  return pattern.replaceAll('{type}', () => event.type.replace(/[^\w.-]/g, '_'))
}
