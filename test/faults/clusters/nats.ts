import { natsJetStream } from '../../../src/nats/nats.ts'
import { natsJetStreamSubscription } from '../../../src/nats/nats-subscription.ts'
import { NatsProcess, skipWithoutNatsServer } from '../../backend/nats-process.ts'
import { withManager } from '../../backend/nats-stream.ts'
import { type Cluster, until } from './cluster.ts'

const STREAM = 'EVENTS'

export const cluster: Cluster = {
  title: 'NATS JetStream, the leader of the stream killed',
  durability: 'three replicas in files',
  skip: skipWithoutNatsServer,
  async start() {
    const nodes = await NatsProcess.cluster(3)
    const servers = nodes.map(({ url }) => url)
    const [first = ''] = servers
    const config = { name: STREAM, subjects: ['events.>'], num_replicas: 3 }
    await until('a JetStream cluster', () => withManager(first, (manager) => manager.streams.add(config)))
    return {
      backend: () => natsJetStream({ url: servers, stream: STREAM }),
      subscription: () => natsJetStreamSubscription({ url: servers, stream: STREAM, ackWait: 3_000 }),
      async killLeader() {
        const leader = await withManager(
          first,
          async (manager) => (await manager.streams.info(STREAM)).cluster?.leader ?? '',
        )
        await nodes[Number(leader.slice(1))]?.kill()
        return leader
      },
      remove: async () => void (await Promise.all(nodes.map((node) => node.remove()))),
    }
  },
}
