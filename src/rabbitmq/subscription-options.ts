import { LOOP } from '../consumer/dead-letter-place.ts'
import {
  flag,
  integer,
  listOf,
  nested,
  oneOf,
  option,
  optional,
  passedOn,
  required,
  text,
} from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { addressesOf, RABBITMQ_ADDRESS, RABBITMQ_CONNECTION, resolveOptions } from './options.ts'

type Arguments = Readonly<Record<string, unknown>>

export const RABBITMQ_QUEUE = {
  /** A quorum queue is replicated, always on disk, and counts deliveries. Default 'quorum'. */
  type: oneOf('quorum', 'quorum', 'classic'),
  /**
   * One process at a time gets messages, the others stand by: keys keep their order whatever the number of processes.
   * Default true.
   */
  singleActiveConsumer: flag(true),
  /** Further arguments, as RabbitMQ names them: `{ 'x-max-length': 100000 }`. Default: none. */
  arguments: passedOn<Arguments, Arguments>('an object of arguments as RabbitMQ names them', {}),
}
/** How the queue is declared whenever we connect. */
export type RabbitMqQueue = OptionsOf<typeof RABBITMQ_QUEUE>

export const RABBITMQ_BINDING = {
  /** The exchange, which must exist; needed. */
  exchange: required(text(undefined)),
  /** Default '#': all, of a topic exchange. */
  routingKey: option<string>('a text', '#', (value) => typeof value === 'string'),
}
/** Where the queue gets its messages from. */
export type RabbitMqBinding = OptionsOf<typeof RABBITMQ_BINDING>

export const RABBITMQ_CONSUMED = {
  /** The queue itself. Default: it must exist. */
  queue: optional(nested(RABBITMQ_QUEUE)),
  /** Where it gets its messages from. Default: nothing is bound. */
  bindings: listOf(nested(RABBITMQ_BINDING)),
}

export const RABBITMQ_DEAD_LETTER = {
  /** The queue that keeps them. Default `<queue>.dead`. */
  queue: queueName(),
  /** Whether a durable one is declared if it is missing. Default true. */
  create: flag(true),
  /** Its type when it is declared. Default: that of the queue itself, where it can be found out, or 'quorum'. */
  type: oneOf(undefined, 'quorum', 'classic'),
}

export const RABBITMQ_SUBSCRIPTION = {
  ...RABBITMQ_CONNECTION,
  /** The queue. Default: the consumer's name. */
  queue: queueName(),
  /** Declared (made if missing) whenever we connect. Default: nothing; the queue must exist. */
  create: nested(RABBITMQ_CONSUMED),
  /** Messages that RabbitMQ hands us before we acknowledge, 1 to 65,535. Default 250. */
  prefetch: integer(250, { min: 1, max: 65_535 }),
  /** Where messages go that were given up. Default: the queue `<queue>.dead`, declared (durable) when it is missing. */
  deadLetter: nested(RABBITMQ_DEAD_LETTER),
}
export type RabbitMqSubscriptionOptions = OptionsOf<typeof RABBITMQ_CONNECTION & typeof RABBITMQ_SUBSCRIPTION>
export type ResolvedRabbitMqSubscriptionOptions = ReturnType<typeof resolveSubscriptionOptions>

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: RabbitMqSubscriptionOptions) {
  return readOptions('rabbitmqSubscription()', RABBITMQ_SUBSCRIPTION, options, (read, { alone, refuse }) => {
    alone('url', RABBITMQ_ADDRESS)
    const { queue, create, prefetch, deadLetter, heartbeat, connectTimeout, timeout } = read
    if (queue !== undefined && deadLetter.queue === queue) {
      refuse('deadLetter', `must have a queue of its own: '${queue}' is the one that is read, ${LOOP}`)
    }
    const limits = { heartbeat, connectTimeout, timeout }
    return {
      ...{ queue, createdQueue: create.queue, bindings: create.bindings, prefetch, deadLetter },
      connection: { ...resolveOptions({}), ...limits, addresses: addressesOf(read) },
    }
  })
}

function queueName() {
  return option<string, string | undefined>('the name of a queue, of 1 to 255 bytes', undefined, (value) => {
    return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= 255
  })
}
