import { natsJetStream } from '../../../src/nats/nats.ts'
import { natsJetStreamSubscription } from '../../../src/nats/nats-subscription.ts'
import { NatsProcess, skipWithoutNatsServer } from '../../backend/nats-process.ts'
import type { FaultyBroker } from './broker.ts'

const stream = { name: 'EVENTS', create: true, subjects: ['events.>'] }

export const broker: FaultyBroker = {
  title: 'NATS JetStream',
  durability: 'file storage',
  skip: skipWithoutNatsServer,
  async start() {
    const server = await NatsProcess.start()
    return {
      address: { url: server.url },
      kill: () => server.kill(),
      restart: () => server.start(),
      remove: () => server.remove(),
    }
  },
  backend: ({ url = '' }) => natsJetStream({ url, subject: 'events.{type}', stream }),
  subscription: ({ url = '' }) => natsJetStreamSubscription({ url, stream: stream.name, ackWait: 3_000 }),
}
