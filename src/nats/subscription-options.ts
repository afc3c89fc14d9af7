import { duration, flag, integer, nested, oneOf, option, required } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { isNatsName, NATS_CONNECTION, NATS_NAME, resolveOptions } from './options.ts'
import { isSubject } from './subject.ts'

/** Where messages go that were given up. */
export const NATS_DEAD_LETTER = {
  /** The stream that keeps them. Default `<stream>_DEAD`. */
  stream: option<string, string | undefined>(NATS_NAME, undefined, isNatsName),
  /** The subject under which they are published. Default `dead.<stream>.<durable>`. */
  subject: option<string, string | undefined>('a subject without wildcards and spaces', undefined, isSubject),
  /** Create the stream, with the subjects `dead.<stream>.>`, when it is missing. Default true. */
  create: flag(true),
}
/** Where messages go that were given up. */
export type NatsDeadLetter = OptionsOf<typeof NATS_DEAD_LETTER>

export const NATS_SUBSCRIPTION = {
  ...NATS_CONNECTION,
  /** The stream to read; it must exist. */
  stream: required(option<string, string | undefined>(NATS_NAME, undefined, isNatsName)),
  /** The durable consumer, made when it is missing. Default: the consumer's name. */
  durable: option<string, string | undefined>(NATS_NAME, undefined, isNatsName),
  /** Only messages of this subject, which may have wildcards. Default: all of the stream. */
  filterSubject: option<string, string | undefined>(
    'a subject without spaces and empty tokens, in which * and > stand for whole tokens',
    undefined,
    (value) => typeof value === 'string' && isSubject(value.replace(/(^|\.)[*>](?=\.|$)/g, '$1x')),
  ),
  /** Where a consumer that is made begins: with all that the stream has, or with what comes. Default 'all'. */
  start: oneOf('all', 'all', 'new'),
  /**
   * A message that its process has not renewed for this long, in milliseconds, is delivered again; at least 1,000; we
   * renew three times as often. An existing consumer keeps its own. Default 30000.
   */
  ackWait: duration(30_000, { min: 1_000 }),
  /** The most unacknowledged messages of all processes together, for a consumer that is made. Default 10000. */
  maxAckPending: integer(10_000, { min: 1, max: 1_000_000 }),
  /** Where messages go that were given up. Default: the stream `<stream>_DEAD`, created when it is missing. */
  deadLetter: nested(NATS_DEAD_LETTER),
}
export type NatsJetStreamSubscriptionOptions = OptionsOf<typeof NATS_CONNECTION & typeof NATS_SUBSCRIPTION>
export type ResolvedNatsSubscriptionOptions = ReturnType<typeof resolveSubscriptionOptions>

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: NatsJetStreamSubscriptionOptions) {
  return readOptions('natsJetStreamSubscription()', NATS_SUBSCRIPTION, options, (read, { alone }) => {
    alone('client', ['url', 'connection'])
    const { stream, durable, filterSubject, start, ackWait, maxAckPending, deadLetter, ...connection } = read
    return {
      ...{ stream, durable, filterSubject, start, ackWait, maxAckPending, timeout: read.timeout },
      deadLetter: { ...deadLetter, stream: deadLetter.stream ?? `${stream}_DEAD` },
      connection: { ...resolveOptions({ stream }), ...connection },
    }
  })
}
