import { LOOP } from '../consumer/dead-letter-place.ts'
import { bytes, duration, flag, nested, oneOf, option, text, texts } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { KAFKA_CONNECTION } from './options.ts'
import { isTopic, TOPIC } from './topic.ts'

export const KAFKA_DEAD_LETTER = {
  /** The topic that keeps them. Default `<topic>.dead`. */
  topic: option<string, string | undefined>(TOPIC, undefined, isTopic),
  /** Whether it is made when it is missing. Default true. */
  create: flag(true),
}

export const KAFKA_SUBSCRIPTION = {
  ...KAFKA_CONNECTION,
  /** The topics, which must exist. Default 'events'. */
  topics: texts(TOPIC, ['events'], isTopic),
  /** The consumer group. Default: the consumer's name. */
  group: text(undefined),
  /** Where a group without committed offsets begins: with all that there is, or with what comes. Default 'all'. */
  start: oneOf('all', 'all', 'new'),
  /**
   * After this long without a heartbeat, in milliseconds, a process is taken for dead, and its partitions go to others;
   * within the broker's `group.min.session.timeout.ms` and `group.max.session.timeout.ms`. Default 10000.
   */
  sessionTimeout: duration(10_000),
  /**
   * The time between two heartbeats, and until a member learns of a change in the group, in milliseconds. Default: a
   * third of `sessionTimeout`, at most 1000.
   */
  heartbeatInterval: duration(undefined),
  /** How much one fetch brings, in bytes; a larger record is delivered anyway. Default 1048576 (1 MiB). */
  maxFetchBytes: bytes(1024 * 1024, { min: 1, max: 2 ** 30 }),
  /** Where records go that were given up. Default: the topic `<topic>.dead`, made when it is missing. */
  deadLetter: nested(KAFKA_DEAD_LETTER),
}
export type KafkaSubscriptionOptions = OptionsOf<typeof KAFKA_CONNECTION & typeof KAFKA_SUBSCRIPTION>
export type ResolvedKafkaSubscriptionOptions = ReturnType<typeof resolveSubscriptionOptions>

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: KafkaSubscriptionOptions) {
  return readOptions('kafkaSubscription()', KAFKA_SUBSCRIPTION, options, (read, { refuse }) => {
    const { topics, group, start, sessionTimeout, maxFetchBytes, deadLetter, ...connection } = read
    const { heartbeatInterval = Math.min(1_000, Math.ceil(sessionTimeout / 3)) } = read
    if (deadLetter.topic !== undefined && topics.includes(deadLetter.topic)) {
      refuse('deadLetter', `must have a topic of its own: '${deadLetter.topic}' is one of topics, ${LOOP}`)
    }
    if (heartbeatInterval >= sessionTimeout) refuse('heartbeatInterval', 'must be shorter than sessionTimeout')
    return { connection, topics, group, start, sessionTimeout, heartbeatInterval, maxFetchBytes, deadLetter }
  })
}
