import { OutageError } from '../backend/send-error.ts'
import { LOOP } from '../consumer/dead-letter-place.ts'
import { BroadcasterError } from '../errors.ts'
import type { OpenNats } from './connection.ts'
import type { Progress } from './gap-watch.ts'
import { isNatsName } from './options.ts'
import { errorOfOpening } from './publish-error.ts'
import { takesSubject } from './subject.ts'
import type { ResolvedNatsSubscriptionOptions } from './subscription-options.ts'

/** A consumer at the server, as we use it. */
export interface Durable {
  readonly name: string
  /** Milliseconds. */
  readonly ackWait: number
  readonly deadLetterSubject: string
  /** Whether no other process was pulling when it was found. */
  readonly alone: boolean
  /** Its position; undefined where it skips messages of other subjects. */
  readonly progress: Progress | undefined
}

const CONSUMER_NOT_FOUND = 10014
const STREAM_NOT_FOUND = 10059
/** Another process made it first, with other options. */
const NAME_IN_USE: readonly unknown[] = [10058, 10105, 10148]

/** Finds the durable consumer, or makes it. Rejects with an `OutageError`, or `INVALID_OPTION`. */
export async function ensureDurable(
  { ask }: OpenNats,
  options: ResolvedNatsSubscriptionOptions,
  consumer: string,
): Promise<Durable> {
  const { stream, deadLetter, filterSubject } = options
  const name = options.durable ?? consumer
  if (!isNatsName(name)) {
    const message = `the consumer's name '${name}' is not a name for a durable consumer of NATS; give the option durable`
    throw new BroadcasterError('INVALID_OPTION', message, { field: 'durable', value: name })
  }
  let isNew = false
  try {
    const { config, num_waiting, delivered } = await foundOrMade(
      () => ask((manager) => manager.consumers.info(stream, name)),
      CONSUMER_NOT_FOUND,
      () => {
        isNew = true
        return ask((manager) =>
          manager.consumers.add(stream, {
            durable_name: name,
            ack_policy: 'explicit',
            deliver_policy: options.start,
            // Nanoseconds.
            ack_wait: options.ackWait * 1_000_000,
            max_ack_pending: options.maxAckPending,
            ...(filterSubject === undefined ? {} : { filter_subject: filterSubject }),
          }),
        )
      },
    )
    if (config.ack_policy !== 'explicit' || config.deliver_subject !== undefined) {
      throw refusal(name, stream, 'is not a pull consumer with explicit acknowledgements', 'durable')
    }
    if (filterSubject !== undefined && config.filter_subject !== filterSubject) {
      throw refusal(name, stream, `has another filter, ${config.filter_subject || 'none'}`, 'filterSubject')
    }
    const deadLetterSubject = deadLetter.subject ?? `dead.${stream}.${name}`
    const filters = config.filter_subjects ?? [config.filter_subject || '>']
    const filter = filters.find((each) => takesSubject(each, deadLetterSubject))
    if (deadLetter.stream === stream && filter !== undefined) {
      const message = `deadLetter must have a stream of its own: '${deadLetterSubject}' is in ${stream}, where '${filter}' of '${name}' takes it, ${LOOP}`
      throw new BroadcasterError('INVALID_OPTION', message, { field: 'deadLetter', value: stream })
    }
    const ackWait = (config.ack_wait ?? 30e9) / 1_000_000
    const sequence = isNew && options.start === 'all' && (await keepsForAll(ask, stream)) ? 0 : delivered.stream_seq
    const progress = filters.join() === '>' ? { deliveries: delivered.consumer_seq, sequence } : undefined
    return { name, alone: num_waiting === 0, ackWait, deadLetterSubject, progress }
  } catch (error) {
    if (error instanceof BroadcasterError) throw error
    throw errorOfOpening(error)
  }
}

/** Whether only the stream's limits delete messages: one that is gone was then dropped, not read by others. */
async function keepsForAll(ask: OpenNats['ask'], stream: string): Promise<boolean> {
  const { config } = await ask((manager) => manager.streams.info(stream))
  return config.retention === 'limits'
}

/** Finds the stream of dead letters, or makes one as safe as the stream itself. Rejects with an `OutageError`. */
export async function ensureDeadLetters(
  { ask }: OpenNats,
  { stream, deadLetter }: ResolvedNatsSubscriptionOptions,
): Promise<void> {
  try {
    await foundOrMade(
      async () => void (await ask((manager) => manager.streams.info(deadLetter.stream))),
      deadLetter.create ? STREAM_NOT_FOUND : undefined,
      async () => {
        const { config } = await ask((manager) => manager.streams.info(stream))
        const { storage, num_replicas } = config
        const subjects = [`dead.${stream}.>`]
        await ask((manager) => manager.streams.add({ name: deadLetter.stream, subjects, storage, num_replicas }))
      },
    )
  } catch (error) {
    throw errorOfOpening(error)
  }
}

async function foundOrMade<T>(find: () => Promise<T>, missing: number | undefined, make: () => Promise<T>): Promise<T> {
  try {
    return await find()
  } catch (error) {
    if (missing === undefined || codeOf(error) !== missing) throw error
  }
  try {
    return await make()
  } catch (error) {
    if (!NAME_IN_USE.includes(codeOf(error))) throw error
  }
  return await find()
}

function refusal(name: string, stream: string, what: string, field: string): OutageError {
  const message = `the consumer ${name} of the stream ${stream} ${what}; give another durable, or delete it`
  return new OutageError(message, { field, value: name })
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** What it has still to deliver, and what it delivered and nobody has acknowledged. */
export async function backlogOf({ ask }: OpenNats, stream: string, name: string): Promise<number> {
  const { num_pending, num_ack_pending } = await ask((manager) => manager.consumers.info(stream, name))
  return num_pending + num_ack_pending
}
