import { connect } from 'amqplib'
import { rabbitmq } from '../../../src/rabbitmq/rabbitmq.ts'
import { rabbitmqSubscription } from '../../../src/rabbitmq/rabbitmq-subscription.ts'
import { RabbitMqProcess, skipWithoutRabbitMqServer } from '../../backend/rabbitmq-process.ts'
import { type Cluster, until } from './cluster.ts'

const QUEUE = 'events'
const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-single-active-consumer': true } }

export const cluster: Cluster = {
  title: 'RabbitMQ, the leader of the queue killed, the node we are on',
  durability: 'a quorum queue on three nodes; `url` names them all',
  skip: skipWithoutRabbitMqServer,
  async start() {
    const nodes = await RabbitMqProcess.cluster(3)
    const [leader] = nodes
    const url = nodes.map((node) => node.url)
    if (!leader) throw new Error('there are fewer nodes than asked for')
    // Who declares a queue has its leader.
    await until('a quorum queue', async () => {
      const model = await connect(leader.url)
      try {
        const channel = await model.createChannel()
        for (const queue of [QUEUE, `${QUEUE}.dead`]) await channel.assertQueue(queue, QUORUM)
        await channel.close()
        return true
      } finally {
        await model.close()
      }
    })
    return {
      backend: () => rabbitmq({ url, routingKey: QUEUE }),
      subscription: () => rabbitmqSubscription({ url, queue: QUEUE }),
      async killLeader() {
        await leader.kill()
        return leader.url
      },
      remove: async () => void (await Promise.all(nodes.map((node) => node.remove()))),
    }
  },
}
