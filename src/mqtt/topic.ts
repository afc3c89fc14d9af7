import { chosenBy } from '../backend/chosen-by.ts'
import { PermanentError } from '../backend/send-error.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { fitText, isText } from './mqtt-string.ts'

/** The wildcards of subscribers. */
const WILDCARDS = /[+#]/g

/**
 * A text as levels of a topic: dots separate levels, as `/` does. `+`, `#` and characters that MQTT has no place for
 * become `_`, and so do an empty level and a `$` at the beginning. `a..b#` is `a/_/b_`.
 */
export function topicLevels(text: string): string {
  return fitText(text)
    .replace(WILDCARDS, '_')
    .replace(/^\$/, '_')
    .split(/[./]/)
    .map((level) => level || '_')
    .join('/')
}

/** The topic of an event: `{type}` in a pattern stands for the event's type, as levels. Throws a `PermanentError`. */
export function topicOf(choice: string | ((event: OutgoingEvent) => string), event: OutgoingEvent): string {
  const topic =
    typeof choice === 'string'
      ? choice.replaceAll('{type}', () => topicLevels(event.type))
      : chosenBy('topic', choice, event)
  if (isTopic(topic)) return topic
  throw new PermanentError(
    `topic is ${JSON.stringify(topic)}, which is empty, too long, or has a wildcard or a control character; return another one`,
    { field: 'topic', value: topic },
  )
}

/** Whether one may publish to it. */
export function isTopic(topic: unknown): topic is string {
  return isText(topic) && topic !== '' && topic.search(WILDCARDS) === -1
}

/** Whether one may subscribe to it: `+` stands for one whole level, `#` for all further ones. */
export function isTopicFilter(filter: unknown): filter is string {
  if (!isText(filter) || filter === '') return false
  const levels = filter.split('/')
  return levels.every((level, n) => {
    if (level === '#') return n === levels.length - 1
    return level === '+' || level.search(WILDCARDS) === -1
  })
}

/** Whether whoever has subscribed to the filter gets what is published to the topic (MQTT 5, section 4.7). */
export function takesTopic(filter: string, topic: string): boolean {
  // A leading wildcard does not match the server's own topics.
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  const wanted = filter.split('/')
  const levels = topic.split('/')
  for (const [n, level] of wanted.entries()) {
    if (level === '#') return true
    if (levels[n] === undefined || (level !== '+' && level !== levels[n])) return false
  }
  return wanted.length === levels.length
}
