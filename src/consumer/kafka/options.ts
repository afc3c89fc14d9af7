import {
  CONNECTION_NAMES,
  connectionOf,
  type KafkaConnectionOptions,
  type ResolvedKafkaConnection,
} from '../../backend/kafka/options.ts'
import { isTopic } from '../../backend/kafka/topic.ts'
import { OptionCheck } from '../../backend/option-check.ts'

export interface KafkaSubscriptionOptions extends KafkaConnectionOptions {
  /** The topics, which must exist. Default 'events'. */
  readonly topics?: string | readonly string[]
  /** The consumer group. Default: the consumer's name. */
  readonly group?: string
  /** Where a group without committed offsets begins: with all that there is, or with what comes. Default 'all'. */
  readonly start?: 'all' | 'new'
  /**
   * After so long without a heartbeat a process is taken for dead and its partitions go to others, in milliseconds; within
   * the broker's `group.min.session.timeout.ms` and `group.max.session.timeout.ms`. Default 10000.
   */
  readonly sessionTimeout?: number
  /** The time between two heartbeats, and until one hears of a change in the group, in milliseconds. Default 1000. */
  readonly heartbeatInterval?: number
  /** How much one fetch brings, in bytes; a larger record comes all the same. Default 1048576 (1 MiB). */
  readonly maxFetchBytes?: number
  /** Where records go that were given up. Default: the topic `<topic>.dead`, made when it is missing. */
  readonly deadLetter?: { readonly topic?: string; readonly create?: boolean }
}

/** The options with all defaults. */
export interface ResolvedKafkaSubscriptionOptions {
  readonly connection: ResolvedKafkaConnection
  readonly topics: readonly string[]
  readonly group: string | undefined
  readonly start: 'all' | 'new'
  readonly sessionTimeout: number
  readonly heartbeatInterval: number
  readonly maxFetchBytes: number
  readonly deadLetter: { readonly topic: string | undefined; readonly create: boolean }
}

const NAMES = [
  ...CONNECTION_NAMES,
  'topics',
  'group',
  'start',
  'sessionTimeout',
  'heartbeatInterval',
  'maxFetchBytes',
  'deadLetter',
] as const satisfies readonly (keyof KafkaSubscriptionOptions)[]

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: KafkaSubscriptionOptions): ResolvedKafkaSubscriptionOptions {
  const check = new OptionCheck('kafkaSubscription', options, NAMES)
  check.places('bootstrapServers')
  const { topics = 'events', deadLetter = {} } = options
  const list: unknown = typeof topics === 'string' ? [topics] : topics
  if (!Array.isArray(list) || list.length === 0 || !list.every(isTopic)) {
    check.problem(
      'topics',
      'must be a topic or a list of them: at most 249 letters, digits, dots, underscores and hyphens',
    )
  }
  for (const unknown of Object.keys(deadLetter).filter((each) => each !== 'topic' && each !== 'create')) {
    check.problem('deadLetter', `has no option ${unknown}; its options are topic, create`)
  }
  if (deadLetter.topic !== undefined && !isTopic(deadLetter.topic))
    check.problem('deadLetter', 'has a topic that is none')
  const sessionTimeout = check.milliseconds('sessionTimeout', 10_000)
  const heartbeatInterval = check.milliseconds('heartbeatInterval', Math.min(1_000, Math.ceil(sessionTimeout / 3)))
  if (heartbeatInterval >= sessionTimeout) check.problem('heartbeatInterval', 'must be shorter than sessionTimeout')
  const resolved = {
    connection: connectionOf(options, check),
    topics: list as readonly string[],
    group: check.text('group'),
    start: check.oneOf('start', 'all', ['all', 'new']),
    sessionTimeout,
    heartbeatInterval,
    maxFetchBytes: check.integer('maxFetchBytes', 1024 * 1024, { min: 1, max: 2 ** 30 }),
    deadLetter: { topic: deadLetter.topic, create: deadLetter.create !== false },
  }
  check.done()
  return Object.freeze(resolved)
}
