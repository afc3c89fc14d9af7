import { OutageError } from '../backend/send-error.ts'
import { LOOP } from '../consumer/dead-letter-place.ts'
import { BroadcasterError } from '../errors.ts'
import { NOT_FOUND, replyCode } from './send-failure.ts'
import type { ResolvedRabbitMqSubscriptionOptions } from './subscription-options.ts'

type AmqpModel = import('amqplib').ChannelModel
type AmqpChannel = import('amqplib').Channel

/** The queues of a consumer. */
export interface Queues {
  readonly queue: string
  readonly deadLetters: string
}

const ACCESS_REFUSED = 403
const PRECONDITION_FAILED = 406
/** How often dead letters in a quorum queue may be listed. */
const MOST_LOOKS = 1_000_000_000

/** The names for a consumer. Throws `INVALID_OPTION` when both are the same. */
export function queuesOf(options: ResolvedRabbitMqSubscriptionOptions, consumer: string): Queues {
  const queue = options.queue ?? consumer
  const deadLetters = options.deadLetter.queue ?? `${queue}.dead`
  if (deadLetters !== queue) return { queue, deadLetters }
  const message = `deadLetter must have a queue of its own: '${queue}' is the one that is read, ${LOOP}`
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'deadLetter', value: queue })
}

/** Declares what `create` names, and checks that the rest exists. Rejects with RabbitMQ's error. */
export async function ensureQueues(
  model: AmqpModel,
  queues: Queues,
  options: ResolvedRabbitMqSubscriptionOptions,
): Promise<void> {
  const { createdQueue, bindings } = options
  const { queue } = queues
  await onChannel(model, async (channel) => {
    if (createdQueue) {
      const { type, singleActiveConsumer, arguments: more } = createdQueue
      await channel.assertQueue(queue, {
        durable: true,
        arguments: {
          'x-queue-type': type,
          ...(singleActiveConsumer ? { 'x-single-active-consumer': true } : {}),
          ...more,
        },
      })
    } else {
      await channel.checkQueue(queue).catch((error: unknown) => {
        throw absent(error, `there is no queue '${queue}'; declare it, or set create: { queue: {} }`)
      })
    }
    for (const { exchange, routingKey } of bindings) {
      await channel.bindQueue(queue, exchange, routingKey).catch((error: unknown) => {
        const cure =
          "declare it, or have the backend do it by rabbitmq({ create: { exchange: { name, type: 'topic' } } })"
        throw absent(error, `there is no exchange '${exchange}' to bind the queue '${queue}' to; ${cure}`)
      })
    }
  })
  await ensureDeadLetters(model, queues, options)
}

/** RabbitMQ's error, or, where it means that something is missing, one that says how to make it. */
function absent(error: unknown, message: string): unknown {
  return replyCode(error) === NOT_FOUND ? new OutageError(message, { cause: error }) : error
}

async function ensureDeadLetters(
  model: AmqpModel,
  { queue, deadLetters }: Queues,
  { createdQueue, deadLetter }: ResolvedRabbitMqSubscriptionOptions,
): Promise<void> {
  // An existing queue is used as it is, whatever its type and arguments.
  const look = () => onChannel(model, (channel) => channel.checkQueue(deadLetters))
  try {
    return await look()
  } catch (error) {
    if (!deadLetter.create || replyCode(error) !== NOT_FOUND) throw error
  }
  const type = deadLetter.type ?? createdQueue?.type ?? (await typeOf(model, queue))
  // Listing dead letters fetches them and gives them back: RabbitMQ 4 drops one after 20 deliveries.
  const limit = type === 'quorum' ? { 'x-delivery-limit': MOST_LOOKS } : {}
  const options = { durable: true, arguments: { 'x-queue-type': type, ...limit } }
  try {
    await onChannel(model, (channel) => channel.assertQueue(deadLetters, options))
  } catch (error) {
    if (replyCode(error) !== PRECONDITION_FAILED) throw error
    // Another process has just made it, with another type.
    await look()
  }
}

/**
 * The type of an existing queue. AMQP does not tell, but RabbitMQ refuses to declare a queue that differs from the
 * existing one. Where it has further arguments, or this user may not declare it, the type stays unknown, and the safe
 * choice for a queue beside it is one that survives the loss of a node.
 */
async function typeOf(model: AmqpModel, queue: string): Promise<'quorum' | 'classic'> {
  for (const type of ['quorum', 'classic'] as const) {
    for (const more of [{}, { 'x-single-active-consumer': true }]) {
      try {
        const options = { durable: true, arguments: { 'x-queue-type': type, ...more } }
        await onChannel(model, (channel) => channel.assertQueue(queue, options))
        return type
      } catch (error) {
        const code = replyCode(error)
        if (code === ACCESS_REFUSED) return 'quorum'
        if (code !== PRECONDITION_FAILED) throw error
      }
    }
  }
  return 'quorum'
}

/** Messages of a queue that no consumer was given: RabbitMQ does not count the others here. */
export async function countMessages(model: AmqpModel, queue: string): Promise<number> {
  let count = 0
  await onChannel(model, async (channel) => {
    count = (await channel.checkQueue(queue)).messageCount
  })
  return count
}

/** A refusal closes the channel, so each request has its own. */
async function onChannel(model: AmqpModel, work: (channel: AmqpChannel) => Promise<unknown>): Promise<void> {
  const channel = await model.createChannel()
  // The rejection carries the same error.
  channel.on('error', () => undefined)
  await work(channel)
  await channel.close()
}
