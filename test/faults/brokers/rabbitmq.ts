import { rabbitmq } from '../../../src/rabbitmq/rabbitmq.ts'
import { rabbitmqSubscription } from '../../../src/rabbitmq/rabbitmq-subscription.ts'
import { RabbitMqProcess, skipWithoutRabbitMqServer } from '../../backend/rabbitmq-process.ts'
import type { FaultyBroker } from './broker.ts'

export const broker: FaultyBroker = {
  title: 'RabbitMQ',
  durability: 'a durable quorum queue, persistent messages',
  skip: skipWithoutRabbitMqServer,
  async start() {
    const server = await RabbitMqProcess.start()
    return {
      address: { url: server.url },
      kill: () => server.kill(),
      restart: () => server.start(),
      remove: () => server.remove(),
    }
  },
  backend: ({ url = '' }) => rabbitmq({ url, routingKey: 'events' }),
  subscription: ({ url = '' }) => rabbitmqSubscription({ url, queue: 'events', create: { queue: { type: 'quorum' } } }),
}
