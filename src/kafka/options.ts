import { rateOption } from '../backend/rate.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { credential } from '../foundation/credential.ts'
import {
  bytes,
  duration,
  flag,
  having,
  oneOf,
  option,
  parsed,
  place,
  secret,
  text,
  texts,
} from '../foundation/option-kinds.ts'
import { type OptionsOf, type ResolvedOf, readOptions } from '../foundation/option-table.ts'
import { tlsOption } from '../foundation/tls-option.ts'
import { isTopic, TOPIC } from './topic.ts'

/**
 * What we call of a producer that is injected: the shape of KafkaJS, which `@confluentinc/kafka-javascript` has too. It
 * is connected and closed by you, and must not retry by itself: `retry: { retries: 0 }`.
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

/** How to log in, as `@platformatic/kafka` takes it. */
export interface KafkaSasl {
  /** How user and password, or the token, are sent. */
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER'
  /** Default: none, for a token. */
  readonly username?: string | undefined
  /** Default: none, for a token. */
  readonly password?: string | undefined
  /** For OAUTHBEARER. Default: none. */
  readonly token?: string | undefined
}

/** The same, without what is undefined. */
type Sasl = { readonly [Name in keyof KafkaSasl]: Exclude<KafkaSasl[Name], undefined> }

function readSasl(value: unknown): Sasl | undefined {
  const { mechanism, username, password, token } = (value ?? {}) as Partial<KafkaSasl>
  if (typeof mechanism !== 'string') return undefined
  if (mechanism === 'OAUTHBEARER') return token === undefined ? undefined : { mechanism, token }
  return username === undefined || password === undefined ? undefined : { mechanism, username, password }
}

function isServer(text: string): boolean {
  return /^(\[[\da-f:]+\]|[^\s:/]+):\d{1,5}$/i.test(text)
}

/** Where Kafka is, and as whom; shared by backend and subscription. */
export const KAFKA_CONNECTION = {
  /** `host:port`, one or several; the rest of the cluster is learnt from them. Default 'localhost:9092'. */
  bootstrapServers: place(texts('host:port', ['localhost:9092'], isServer, { separator: ',' })),
  /** What Kafka's logs call us. Default 'ts-broadcaster'. */
  clientId: text('ts-broadcaster'),
  /** True, or Node's TLS options. Default false. */
  tls: tlsOption(false),
  /** How to log in. Default: no login. */
  sasl: credential(
    secret(
      parsed<KafkaSasl, Sasl | undefined>(
        '{ mechanism, username, password }, or a token in place of the last two',
        undefined,
        readSasl,
      ),
    ),
  ),
  /** How long connecting may take, in milliseconds. Default 5000. */
  connectTimeout: duration(5_000),
  /** How long an answer may take, in milliseconds. Default 10000. */
  timeout: duration(10_000),
}
/** Where Kafka is, and how to log in. */
export type KafkaConnectionOptions = OptionsOf<typeof KAFKA_CONNECTION>
export type ResolvedKafkaConnection = ResolvedOf<typeof KAFKA_CONNECTION>

export const KAFKA = {
  ...KAFKA_CONNECTION,
  /** A connected producer of your own in the shape of KafkaJS, instead of all above. Default: one is opened. */
  producer: having<KafkaJsProducer>('a producer with sendBatch, as KafkaJS has it', 'sendBatch'),
  /** The topic, in which `{type}` stands for the event's type, or a function that names it. Default 'events'. */
  topic: option<string | ((event: OutgoingEvent) => string)>(`a function or ${TOPIC}`, 'events', (value) => {
    return typeof value === 'function' || (typeof value === 'string' && isTopic(value.replaceAll('{type}', 'x')))
  }),
  /** Whether a topic that is missing is made by the broker (which must allow that). Default false. */
  create: flag(false),
  /** The whole CloudEvent as JSON, or its data with the attributes as `ce_` headers. Default 'structured'. */
  mode: oneOf('structured', 'structured', 'binary'),
  /** How a batch is compressed. Default 'none'. */
  compression: oneOf('none', 'none', 'gzip', 'snappy', 'lz4', 'zstd'),
  /** Kafka drops what the client resends after a lost answer. Default true. */
  idempotent: flag(true),
  /**
   * A producer for each lane, whose name at Kafka the lane's next owner takes over, so that the late send of a frozen
   * worker is refused. True, or the prefix of the names, which must differ between outboxes. Default false.
   */
  fenced: option<boolean | string>('true, false, or a name of at most 200 characters', false, (value) => {
    return typeof value === 'boolean' || (typeof value === 'string' && value !== '' && value.length <= 200)
  }),
  /** The largest batch of one partition, in bytes; no more than the topic's `max.message.bytes`. Default 1000000. */
  maxBatchBytes: bytes(1_000_000, { min: 1024, max: 2 ** 30 }),
  /** The largest event, in bytes of its JSON; Kafka's own limit is 1048588. Default 1000000. */
  maxEventBytes: bytes(1_000_000, { min: 1024, max: 2 ** 30 }),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
export type KafkaOptions = OptionsOf<typeof KAFKA>
export type ResolvedKafkaOptions = ReturnType<typeof resolveOptions>

const CONNECTION = Object.keys(KAFKA_CONNECTION) as readonly (keyof typeof KAFKA_CONNECTION)[]

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: KafkaOptions) {
  return readOptions('kafka()', KAFKA, options, (read, { refuse, alone }) => {
    alone('producer', [...CONNECTION, 'compression', 'idempotent', 'fenced', 'create'])
    if (read.fenced !== false && !read.idempotent) refuse('fenced', 'needs idempotent; leave idempotent: false out')
    return { ...read, fenced: namesBegin(read) }
  })
}

/** The prefix of the lanes' producer names; undefined = they have none. */
function namesBegin({ fenced, topic, clientId }: ResolvedOf<typeof KAFKA>): string | undefined {
  if (fenced !== true) return fenced || undefined
  return typeof topic === 'string' ? `${clientId}.${topic}` : clientId
}
