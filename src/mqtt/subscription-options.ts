import { LOOP } from '../consumer/dead-letter-place.ts'
import { flag, integer, nested, option, or, required, texts } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { isText } from './mqtt-string.ts'
import { MQTT_CONNECTION } from './options.ts'
import { isTopic, isTopicFilter, takesTopic } from './topic.ts'

/** Where messages go that were given up. */
export const MQTT_DEAD_LETTER = {
  /** Default `dead/<consumer>`. */
  topic: option<string, string | undefined>('a topic without wildcards', undefined, isTopic),
  /** Whether a dead letter that has no subscriber is tried again instead of dropped. Default true. */
  requireSubscriber: flag(true),
  /**
   * Whether the server keeps them in a session `<consumer>-dead`, for as long as `sessionExpiry`, so that they can be
   * listed and requeued; otherwise a subscriber of yours must exist. Default false.
   */
  keep: flag(false),
}
/** Where messages go that were given up. */
export type MqttDeadLetter = OptionsOf<typeof MQTT_DEAD_LETTER>

export const MQTT_SUBSCRIPTION = {
  ...MQTT_CONNECTION,
  /**
   * The client id of this process: the same after a restart, and unique among processes. The server keeps what was not
   * acknowledged under this id, and delivers it again only to it.
   */
  clientId: required(
    option<string, string | undefined>(
      'a name for this process, the same after a restart, that no other process has',
      undefined,
      (value) => isText(value) && value !== '',
    ),
  ),
  /** What to subscribe to; may have wildcards. Default 'events/#'. */
  topics: texts(
    'a topic in which + stands for one whole level and # for all further ones',
    ['events/#'],
    isTopicFilter,
  ),
  /** The name under which several processes share the messages; false = each gets all. Default: the consumer's name. */
  share: or(option<string, string | undefined>('a name without / + and #', undefined, isShareName), false),
  /**
   * How long the server keeps what it has for us while we are disconnected, in seconds. Default 604800 (seven days).
   */
  sessionExpiry: integer(7 * 24 * 60 * 60, { min: 1, max: 2 ** 32 - 1 }),
  /** Messages that the server hands us before we acknowledge, 1 to 65,535. Default 250. */
  prefetch: integer(250, { min: 1, max: 65_535 }),
  /** Where messages go that were given up. Default: the topic `dead/<consumer>`. */
  deadLetter: nested(MQTT_DEAD_LETTER),
}
export type MqttSubscriptionOptions = OptionsOf<typeof MQTT_CONNECTION & typeof MQTT_SUBSCRIPTION>
export type ResolvedMqttSubscriptionOptions = ReturnType<typeof resolveSubscriptionOptions>

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: MqttSubscriptionOptions) {
  return readOptions('mqttSubscription()', MQTT_SUBSCRIPTION, options, ({ url: address, ...others }, { refuse }) => {
    const { topics, deadLetter } = others
    const filter = deadLetter.topic && topics.find((each) => takesTopic(each, deadLetter.topic ?? ''))
    if (filter) refuse('deadLetter', ownDeadLetters(filter, deadLetter.topic ?? ''))
    return { ...others, address }
  })
}

/** What is wrong with a dead-letter topic that one of our filters matches. */
export function ownDeadLetters(filter: string, topic: string): string {
  return `must have a topic that topics does not take: '${filter}' takes '${topic}', ${LOOP}`
}

/** Whether it can be the name of a shared subscription (MQTT 5, section 4.8.2). */
export function isShareName(name: unknown): name is string {
  return isText(name) && /^[^/+#]+$/.test(name)
}
