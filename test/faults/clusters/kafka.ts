import { kafka } from '../../../src/kafka/kafka.ts'
import { kafkaSubscription } from '../../../src/kafka/kafka-subscription.ts'
import { KafkaProcess } from '../../backend/kafka-process.ts'
import { servesGroups, servesProducers, withAdmin } from '../../backend/kafka-topic.ts'
import { skipWithoutJars } from '../../support/jars.ts'
import { type Cluster, until } from './cluster.ts'

const TOPIC = 'events'
const connection = { connectTimeout: 2_000, timeout: 5_000 }

export const cluster: Cluster = {
  title: 'Kafka, the leader of a partition killed',
  durability: 'acks=all of three replicas, min.insync.replicas=2, four partitions',
  skip: () => skipWithoutJars('kafka'),
  async start() {
    const nodes = await KafkaProcess.cluster(3)
    const bootstrapServers = nodes.map(({ address }) => address)
    const [first = ''] = bootstrapServers
    const leaderOf = () =>
      withAdmin(first, async (admin) => {
        const { topics } = await admin.metadata({ topics: [TOPIC], forceUpdate: true })
        const leader = topics.get(TOPIC)?.partitions[0]?.leader
        return leader === undefined || leader < 1 ? undefined : leader
      })
    await until('a topic of three replicas', async () => {
      await withAdmin(first, (admin) => admin.createTopics({ topics: [TOPIC], partitions: 4, replicas: 3 })).catch(
        () => undefined,
      )
      return await leaderOf()
    })
    await servesProducers(first)
    await servesGroups(first)
    return {
      backend: () => kafka({ ...connection, bootstrapServers, topic: TOPIC }),
      subscription: () =>
        kafkaSubscription({
          ...connection,
          bootstrapServers,
          topics: TOPIC,
          sessionTimeout: 3_000,
          heartbeatInterval: 500,
        }),
      async killLeader() {
        const leader = await until('a leader', leaderOf)
        await nodes[leader - 1]?.kill()
        return String(leader)
      },
      remove: async () => void (await Promise.all(nodes.map((node) => node.remove()))),
    }
  },
}
