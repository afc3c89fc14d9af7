import { replyCode } from './send-failure.ts'
import type { ResolvedRabbitMqSubscriptionOptions } from './subscription-options.ts'

type AmqpModel = import('amqplib').ChannelModel
type AmqpChannel = import('amqplib').Channel

/** The queues of a consumer. */
export interface Queues {
  readonly queue: string
  readonly deadLetters: string
}

const NOT_FOUND = 404
/** So often may dead letters in a quorum queue be listed. */
const MOST_LOOKS = 1_000_000_000

/** The names, for a consumer. */
export function queuesOf(options: ResolvedRabbitMqSubscriptionOptions, consumer: string): Queues {
  const queue = options.queue ?? consumer
  return { queue, deadLetters: options.deadLetter.queue ?? `${queue}.dead` }
}

/** Declares what is to be declared, and looks whether the rest exists. Rejects with RabbitMQ's error. */
export async function ensureQueues(
  model: AmqpModel,
  { queue, deadLetters }: Queues,
  { createdQueue, bindings, deadLetter }: ResolvedRabbitMqSubscriptionOptions,
): Promise<void> {
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
    } else await channel.checkQueue(queue)
    for (const { exchange, routingKey } of bindings) await channel.bindQueue(queue, exchange, routingKey)
  })
  // One that exists is taken as it is, whatever its arguments.
  await onChannel(model, (channel) => channel.checkQueue(deadLetters)).catch(async (error: unknown) => {
    if (!deadLetter.create || replyCode(error) !== NOT_FOUND) throw error
    const type = createdQueue?.type ?? 'classic'
    // Whoever looks at dead letters is handed them, and gives them back: RabbitMQ 4 drops one after 20 times.
    const limit = type === 'quorum' ? { 'x-delivery-limit': MOST_LOOKS } : {}
    const options = { durable: true, arguments: { 'x-queue-type': type, ...limit } }
    await onChannel(model, (channel) => channel.assertQueue(deadLetters, options))
  })
}

/** A refusal closes the channel, so each question has its own. */
async function onChannel(model: AmqpModel, work: (channel: AmqpChannel) => Promise<unknown>): Promise<void> {
  const channel = await model.createChannel()
  // What it says is in the rejection, too.
  channel.on('error', () => undefined)
  await work(channel)
  await channel.close()
}
