import { type Address, addressOf, connectionOf } from '../../backend/mqtt/address.ts'
import { isText } from '../../backend/mqtt/text.ts'
import { isTopic, isTopicFilter } from '../../backend/mqtt/topic.ts'
import { OptionCheck } from '../../backend/option-check.ts'

/** Where messages go that were given up. */
export interface MqttDeadLetter {
  /** Default `dead/<consumer>`. */
  readonly topic?: string
  /** Whether nobody who has subscribed to it means that it cannot be given up, and is tried again. Default true. */
  readonly requireSubscriber?: boolean
  /**
   * Whether the server keeps them in a session `<consumer>-dead`, for as long as `sessionExpiry`, so that they can be listed and
   * requeued. Default false: somebody of yours has subscribed.
   */
  readonly keep?: boolean
}

export interface MqttSubscriptionOptions {
  /** `mqtt[s]://[user:password@]host[:port]`, or `ws[s]://...`. Default 'mqtt://127.0.0.1:1883'. */
  readonly url?: string
  /** Further options for the `connect` of the package `mqtt`: `ca`, `cert`, `key`, ... Default: none. */
  readonly connection?: Readonly<Record<string, unknown>>
  /**
   * The name of this process, which stays the same through restarts and which no other has: under it the server keeps what
   * was not acknowledged, and hands it out again to nobody else.
   */
  readonly clientId: string
  /** What to subscribe to; may have wildcards. Default 'events/#'. */
  readonly topics?: string | readonly string[]
  /** The name under which several processes share the messages; false = each gets all. Default: the consumer's name. */
  readonly share?: string | false
  /** How long the server keeps what it has for us while we are away, in seconds. Default 604800 (seven days). */
  readonly sessionExpiry?: number
  /** Messages that the server hands us before we acknowledge, 1 to 65,535. Default 250. */
  readonly prefetch?: number
  readonly deadLetter?: MqttDeadLetter
  /** After this many seconds of silence we ask the server for a sign of life. Default 10. */
  readonly keepalive?: number
  /** Until the server has accepted the connection, in milliseconds. Default 5000. */
  readonly connectTimeout?: number
  /** How long an answer may take, in milliseconds. Default 10000. */
  readonly ackTimeout?: number
}

/** The options with all defaults; what is undefined follows from the consumer's name. */
export interface ResolvedMqttSubscriptionOptions {
  readonly address: Address
  readonly connection: Readonly<Record<string, unknown>>
  readonly clientId: string
  readonly topics: readonly string[]
  readonly share: string | false | undefined
  readonly sessionExpiry: number
  readonly prefetch: number
  readonly deadLetter: {
    readonly topic: string | undefined
    readonly requireSubscriber: boolean
    readonly keep: boolean
  }
  readonly keepalive: number
  readonly connectTimeout: number
  readonly ackTimeout: number
}

const NAMES = [
  'url',
  'connection',
  'clientId',
  'topics',
  'share',
  'sessionExpiry',
  'prefetch',
  'deadLetter',
  'keepalive',
  'connectTimeout',
  'ackTimeout',
] as const satisfies readonly (keyof MqttSubscriptionOptions)[]

const DEAD_LETTER = ['topic', 'requireSubscriber', 'keep']

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: MqttSubscriptionOptions): ResolvedMqttSubscriptionOptions {
  const check = new OptionCheck('mqttSubscription', options, NAMES)
  check.places('url')
  const { topics = 'events/#', share, deadLetter = {}, clientId } = options
  const list: unknown = typeof topics === 'string' ? [topics] : topics
  if (!Array.isArray(list) || list.length === 0 || !list.every(isTopicFilter)) {
    check.problem('topics', 'must be a topic or a list of them; + stands for one whole level, # for all further ones')
  }
  if (!isText(clientId) || clientId === '') {
    check.problem('clientId', 'must be the name of this process, the same through restarts, and no other may have it')
  }
  if (share !== undefined && share !== false && !isShareName(share)) {
    check.problem('share', 'must be false, or a name without / + and #')
  }
  for (const unknown of Object.keys(deadLetter).filter((each) => !DEAD_LETTER.includes(each))) {
    check.problem('deadLetter', `has no option ${unknown}; its options are ${DEAD_LETTER.join(', ')}`)
  }
  if (deadLetter.topic !== undefined && !isTopic(deadLetter.topic)) {
    check.problem('deadLetter', 'has a topic that is empty, or has a wildcard')
  }
  const resolved = {
    address: addressOf(check),
    connection: connectionOf(options.connection, check),
    clientId,
    topics: list as readonly string[],
    share,
    sessionExpiry: check.integer('sessionExpiry', 7 * 24 * 60 * 60, { min: 1, max: 2 ** 32 - 1 }),
    prefetch: check.integer('prefetch', 250, { min: 1, max: 65_535 }),
    deadLetter: {
      topic: deadLetter.topic,
      requireSubscriber: deadLetter.requireSubscriber !== false,
      keep: deadLetter.keep === true,
    },
    keepalive: check.integer('keepalive', 10, { min: 1, max: 65_535 }),
    connectTimeout: check.milliseconds('connectTimeout', 5_000),
    ackTimeout: check.milliseconds('ackTimeout', 10_000),
  }
  check.done()
  return Object.freeze(resolved)
}

/** Whether it can be the name of a shared subscription (MQTT 5, section 4.8.2). */
export function isShareName(name: unknown): name is string {
  return isText(name) && /^[^/+#]+$/.test(name)
}
