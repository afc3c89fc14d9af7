import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { showWithoutSecrets } from '../../problem.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { OptionCheck } from '../option-check.ts'
import { isTopic } from './topic.ts'

/**
 * What we call of a producer that is injected: the shape of KafkaJS, which `@confluentinc/kafka-javascript` has too. It is
 * connected and closed by you, and must not retry by itself: `retry: { retries: 0 }`.
 */
export interface KafkaJsProducer {
  sendBatch(batch: {
    readonly acks: -1
    readonly topicMessages: {
      readonly topic: string
      readonly messages: {
        readonly key: Buffer | null
        readonly value: Buffer | null
        readonly headers: Record<string, Buffer>
      }[]
    }[]
  }): Promise<unknown>
}

/** How to log in; as `@platformatic/kafka` takes it. */
export interface KafkaSasl {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER'
  readonly username?: string
  readonly password?: string
  readonly token?: string
}

/** Where Kafka is, and as whom; shared by backend and subscription. */
export interface KafkaConnectionOptions {
  /** `host:port`, one or several; the rest of the cluster is learnt from them. Default 'localhost:9092'. */
  readonly bootstrapServers?: string | readonly string[]
  /** What Kafka's logs call us. Default 'ts-broadcaster'. */
  readonly clientId?: string
  /** True, or Node's TLS options. Default false. */
  readonly tls?: boolean | TlsOptions
  /** Default: no login. */
  readonly sasl?: KafkaSasl
  /** How long connecting may take, in milliseconds. Default 5000. */
  readonly connectTimeout?: number
  /** How long an answer may take, in milliseconds. Default 10000. */
  readonly timeout?: number
}

export interface KafkaOptions extends KafkaConnectionOptions {
  /** A connected producer of your own in the shape of KafkaJS, instead of all above. */
  readonly producer?: KafkaJsProducer
  /** The topic, in which `{type}` stands for the event's type, or a function that names it. Default 'events'. */
  readonly topic?: string | ((event: OutboxEvent) => string)
  /** Whether a topic that is missing is made by the broker (which must allow that). Default false. */
  readonly createTopics?: boolean
  /** The whole CloudEvent as JSON, or its data with the attributes as `ce_` headers. Default 'structured'. */
  readonly mode?: 'structured' | 'binary'
  /** Default 'none'. */
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  /** Kafka drops what the client repeats after a lost answer. Default true. */
  readonly idempotent?: boolean
  /**
   * A producer for each lane, whose name at Kafka the lane's next owner takes over: what a worker that was frozen sends late
   * is refused. True, or what the names begin with; each outbox has its own. Default false.
   */
  readonly fenced?: boolean | string
  /** The largest batch of one partition, in bytes; no more than the topic's `max.message.bytes`. Default 1000000. */
  readonly maxBatchBytes?: number
  /** The largest event, in bytes of its JSON. Default 1000000: Kafka's own limit is 1048588. */
  readonly maxEventBytes?: number
}

/** The connection, with all defaults. */
export interface ResolvedKafkaConnection {
  readonly bootstrapServers: readonly string[]
  readonly clientId: string
  readonly tls: boolean | TlsOptions
  readonly sasl: KafkaSasl | undefined
  readonly connectTimeout: number
  readonly timeout: number
}

/** The options with all defaults. */
export interface ResolvedKafkaOptions extends ResolvedKafkaConnection {
  readonly producer: KafkaJsProducer | undefined
  readonly topic: string | ((event: OutboxEvent) => string)
  readonly createTopics: boolean
  readonly mode: 'structured' | 'binary'
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly idempotent: boolean
  /** What the names of the lanes' producers begin with; undefined = they have none. */
  readonly fenced: string | undefined
  readonly maxBatchBytes: number
  readonly maxEventBytes: number
}

/** The names of the connection's options. */
export const CONNECTION_NAMES = [
  'bootstrapServers',
  'clientId',
  'tls',
  'sasl',
  'connectTimeout',
  'timeout',
] as const satisfies readonly (keyof KafkaConnectionOptions)[]

const NAMES = [
  ...CONNECTION_NAMES,
  'producer',
  'topic',
  'createTopics',
  'mode',
  'compression',
  'idempotent',
  'fenced',
  'maxBatchBytes',
  'maxEventBytes',
] as const satisfies readonly (keyof KafkaOptions)[]

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: KafkaOptions): ResolvedKafkaOptions {
  const check = new OptionCheck('kafka', options, NAMES)
  check.places('bootstrapServers')
  const { topic = 'events', producer } = options
  if (typeof topic !== 'function' && (typeof topic !== 'string' || !isTopic(topic.replaceAll('{type}', 'x')))) {
    check.problem('topic', 'must be a function or a topic: at most 249 letters, digits, dots, underscores and hyphens')
  }
  if (producer !== undefined) {
    if (typeof producer?.sendBatch !== 'function')
      check.problem('producer', 'must be a producer with sendBatch, as KafkaJS has it')
    for (const name of [...CONNECTION_NAMES, 'compression', 'idempotent', 'fenced', 'createTopics'] as const) {
      if (options[name] !== undefined) check.problem(name, 'has no effect beside producer; leave one of them out')
    }
  }
  const connection = connectionOf(options, check)
  const idempotent = check.boolean('idempotent', true)
  const fenced = fencedOf(options, connection.clientId, check)
  if (fenced !== undefined && !idempotent) check.problem('fenced', 'needs idempotent; leave idempotent: false out')
  const resolved: ResolvedKafkaOptions = {
    ...connection,
    fenced,
    producer,
    topic,
    createTopics: check.boolean('createTopics', false),
    mode: check.oneOf('mode', 'structured', ['structured', 'binary']),
    compression: check.oneOf('compression', 'none', ['none', 'gzip', 'snappy', 'lz4', 'zstd']),
    idempotent,
    maxBatchBytes: check.integer('maxBatchBytes', 1_000_000, { min: 1024, max: 2 ** 30 }),
    maxEventBytes: check.integer('maxEventBytes', 1_000_000, { min: 1024, max: 2 ** 30 }),
  }
  check.done()
  return Object.freeze(resolved)
}

function fencedOf(
  { fenced, topic = 'events' }: KafkaOptions,
  clientId: string,
  check: OptionCheck,
): string | undefined {
  if (fenced === undefined || fenced === false) return undefined
  if (fenced === true) return typeof topic === 'string' ? `${clientId}.${topic}` : clientId
  if (typeof fenced === 'string' && fenced !== '' && fenced.length <= 200) return fenced
  check.problem('fenced', 'must be true, false, or a name of at most 200 characters')
  return undefined
}

/** The connection's part of the options. */
export function connectionOf(options: KafkaConnectionOptions, check: OptionCheck): ResolvedKafkaConnection {
  const { bootstrapServers = 'localhost:9092', sasl, tls = false } = options
  const servers: unknown = typeof bootstrapServers === 'string' ? bootstrapServers.split(',') : bootstrapServers
  if (!Array.isArray(servers) || servers.length === 0 || !servers.every(isServer)) {
    check.problem(
      'bootstrapServers',
      `must be host:port, or a list of them, not ${showWithoutSecrets(bootstrapServers)}`,
    )
  }
  if (sasl !== undefined && typeof sasl?.mechanism !== 'string') {
    // The value may hold a password: it is not shown.
    check.problem('sasl', 'must be { mechanism, username, password }')
  }
  return {
    bootstrapServers: (servers as readonly string[]).map?.((server) => String(server).trim()) ?? [],
    clientId: check.text('clientId') ?? 'ts-broadcaster',
    tls,
    sasl,
    connectTimeout: check.milliseconds('connectTimeout', 5_000),
    timeout: check.milliseconds('timeout', 10_000),
  }
}

function isServer(server: unknown): boolean {
  return typeof server === 'string' && /^\s*(\[[\da-f:]+\]|[^\s:/]+):\d{1,5}\s*$/i.test(server)
}
