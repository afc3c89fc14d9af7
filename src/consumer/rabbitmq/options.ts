import { OptionCheck } from '../../backend/option-check.ts'
import {
  type RabbitMqOptions,
  type ResolvedRabbitMqOptions,
  resolveOptions as resolveConnection,
} from '../../backend/rabbitmq/options.ts'

/** What of the queue is declared whenever we connect. */
export interface RabbitMqQueueDeclaration {
  /** Replicated and always on disk, or not; a quorum queue counts deliveries. Default 'quorum'. */
  readonly type?: 'quorum' | 'classic'
  /**
   * One process at a time gets messages, the others stand by: keys keep their order whatever the number of processes.
   * Default true.
   */
  readonly singleActiveConsumer?: boolean
  /** Further arguments, as RabbitMQ names them: `{ 'x-max-length': 100000 }`. */
  readonly arguments?: Readonly<Record<string, unknown>>
}

/** Where the queue gets its messages from. */
export interface RabbitMqBinding {
  /** It must exist. */
  readonly exchange: string
  /** Default '#': all, of a topic exchange. */
  readonly routingKey?: string
}

type ConnectionOptions = Pick<
  RabbitMqOptions,
  'url' | 'hostname' | 'port' | 'vhost' | 'username' | 'password' | 'tls' | 'heartbeat' | 'connectTimeout'
>

export interface RabbitMqSubscriptionOptions extends ConnectionOptions {
  /** The queue. Default: the consumer's name. */
  readonly queue?: string
  /** Declared whenever we connect. Default: nothing; the queue must exist. */
  readonly declare?: {
    readonly queue?: RabbitMqQueueDeclaration
    readonly bindings?: readonly RabbitMqBinding[]
  }
  /** Messages that RabbitMQ hands us before we acknowledge, 1 to 65,535. Default 250. */
  readonly prefetch?: number
  /** Where messages go that were given up. Default: the queue `<queue>.dead`, declared (durable) when it is missing. */
  readonly deadLetter?: { readonly queue?: string; readonly declare?: boolean }
  /** How long the confirm of a dead letter may take, in milliseconds. Default 10000. */
  readonly confirmTimeout?: number
}

/** The options with all defaults; what is undefined follows from the consumer's name. */
export interface ResolvedRabbitMqSubscriptionOptions {
  readonly connection: ResolvedRabbitMqOptions
  readonly queue: string | undefined
  readonly declareQueue: Required<RabbitMqQueueDeclaration> | undefined
  readonly bindings: readonly Required<RabbitMqBinding>[]
  readonly prefetch: number
  readonly deadLetter: { readonly queue: string | undefined; readonly declare: boolean }
}

const CONNECTION = [
  'url',
  'hostname',
  'port',
  'vhost',
  'username',
  'password',
  'tls',
  'heartbeat',
  'connectTimeout',
  'confirmTimeout',
] as const
const NAMES: readonly (keyof RabbitMqSubscriptionOptions)[] = [
  ...CONNECTION,
  'queue',
  'declare',
  'prefetch',
  'deadLetter',
]

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: RabbitMqSubscriptionOptions): ResolvedRabbitMqSubscriptionOptions {
  const check = new OptionCheck('rabbitmqSubscription', options, NAMES)
  check.places('url', 'hostname')
  const queue = nameOf('queue', check.text('queue'), check)
  const { declare, deadLetter = {} } = options
  const deadQueue = nameOf('deadLetter', deadLetter.queue, check)
  unknownIn('declare', declare, ['queue', 'bindings'], check)
  unknownIn('declare', declare?.queue, ['type', 'singleActiveConsumer', 'arguments'], check)
  unknownIn('deadLetter', deadLetter, ['queue', 'declare'], check)
  const settings = {
    queue,
    declareQueue: declare?.queue && queueOf(declare.queue, check),
    bindings: bindingsOf(declare?.bindings, check),
    prefetch: check.integer('prefetch', 250, { min: 1, max: 65_535 }),
    deadLetter: { queue: deadQueue, declare: deadLetter.declare !== false },
  }
  check.done()
  const given = CONNECTION.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]] as const]))
  return Object.freeze({ ...settings, connection: resolveConnection(Object.fromEntries(given)) })
}

function queueOf(
  { type = 'quorum', singleActiveConsumer = true, arguments: more = {} }: RabbitMqQueueDeclaration,
  check: OptionCheck,
): Required<RabbitMqQueueDeclaration> {
  if (type !== 'quorum' && type !== 'classic')
    check.problem('declare', "has a queue whose type is not 'quorum' or 'classic'")
  if (typeof singleActiveConsumer !== 'boolean') {
    check.problem('declare', 'has a queue whose singleActiveConsumer is neither true nor false')
  }
  return { type, singleActiveConsumer, arguments: more }
}

function bindingsOf(given: readonly RabbitMqBinding[] = [], check: OptionCheck): readonly Required<RabbitMqBinding>[] {
  return given.map(({ exchange, routingKey = '#' }, n) => {
    if (typeof exchange !== 'string' || exchange === '' || typeof routingKey !== 'string') {
      check.problem('declare', `has a bindings[${n}] that is not { exchange, routingKey }`)
    }
    return { exchange, routingKey }
  })
}

function nameOf(field: string, name: string | undefined, check: OptionCheck): string | undefined {
  if (name === undefined || (typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= 255)) return name
  check.problem(field, 'must name a queue with at most 255 bytes')
  return undefined
}

function unknownIn(field: string, given: object | undefined, known: readonly string[], check: OptionCheck): void {
  for (const name of Object.keys(given ?? {})) {
    if (!known.includes(name)) check.problem(field, `has no option ${name}; its options are ${known.join(', ')}`)
  }
}
