import { kafka } from '../../../src/kafka/kafka.ts'
import { kafkaSubscription } from '../../../src/kafka/kafka-subscription.ts'
import { KafkaProcess } from '../../backend/kafka-process.ts'
import { createTopic } from '../../backend/kafka-topic.ts'
import { skipWithoutJars } from '../../support/jars.ts'
import type { FaultyBroker } from './broker.ts'

const connection = { connectTimeout: 2_000, timeout: 5_000 }

export const broker: FaultyBroker = {
  title: 'Kafka',
  durability: 'acks=all of one replica, four partitions',
  skip: () => skipWithoutJars('kafka'),
  async start() {
    const server = await KafkaProcess.start({ 'group.min.session.timeout.ms': '500' })
    await createTopic(server.address, 'events')
    return {
      address: { server: server.address },
      kill: () => server.kill(),
      restart: () => server.start(),
      remove: () => server.remove(),
    }
  },
  backend: ({ server = '' }) => kafka({ ...connection, bootstrapServers: server }),
  subscription: ({ server = '' }) =>
    kafkaSubscription({ ...connection, bootstrapServers: server, sessionTimeout: 3_000, heartbeatInterval: 500 }),
}
