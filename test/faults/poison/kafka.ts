import { randomBytes } from 'node:crypto'
import { Producer } from '@platformatic/kafka'
import { kafka } from '../../../src/kafka/kafka.ts'
import { kafkaSubscription } from '../../../src/kafka/kafka-subscription.ts'
import { KafkaProcess } from '../../backend/kafka-process.ts'
import { createTopic, servesGroups, servesProducers } from '../../backend/kafka-topic.ts'
import { skipWithoutJars } from '../../support/jars.ts'
import type { PoisonedBroker } from './poison.ts'

const TOPIC = 'events'

export const broker: PoisonedBroker = {
  skip: () => skipWithoutJars('kafka'),
  async start() {
    const server = await KafkaProcess.start({ 'group.min.session.timeout.ms': '500' })
    await servesProducers(server.address)
    await servesGroups(server.address)
    await createTopic(server.address, TOPIC, 4, { 'max.message.bytes': '50000' })
    // No room beyond what its topic takes.
    await createTopic(server.address, `${TOPIC}.dead`, 1, { 'max.message.bytes': '50000' })
    return {
      backend: () =>
        kafka({
          bootstrapServers: server.address,
          mode: 'binary',
          topic: ({ type }) => {
            if (type === 'throws') throw new Error('no topic for it')
            return type === 'order.created' || type === 'large' ? TOPIC : type
          },
        }),
      subscription: () =>
        kafkaSubscription({ bootstrapServers: server.address, sessionTimeout: 3_000, heartbeatInterval: 500 }),
      outgoing: [
        { type: 'no topic' },
        { type: 'x'.repeat(255) },
        { type: 'missing' },
        { type: 'throws' },
        { type: 'large', data: randomBytes(60_000).toString('hex') },
      ],
      async publishHostile() {
        const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
          clientId: 'hostile',
          bootstrapBrokers: [server.address],
        })
        const text = (value: string) => Buffer.from(value)
        const messages = [
          { value: text('{"no":"event"') },
          { value: text('x'), headers: new Map([[text('large'), randomBytes(49_000)]]) },
          { value: randomBytes(49_500) },
          { value: text('x'), headers: new Map([[text('ce_specversion'), text('1.0')]]) },
        ]
        for (const message of messages) await producer.send({ messages: [{ topic: TOPIC, ...message }] })
        await producer.close()
        return messages.length
      },
      remove: () => server.remove(),
    }
  },
}
