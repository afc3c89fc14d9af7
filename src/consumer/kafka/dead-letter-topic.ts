import { clientOptions, importKafka, within } from '../../backend/kafka/client.ts'
import { chainOf, failureOf, protocolName } from '../../backend/kafka/failure.ts'
import type { ResolvedKafkaConnection } from '../../backend/kafka/options.ts'

type Admin = import('@platformatic/kafka').Admin

const LIMIT = 'max.message.bytes'
/** The largest limit that Kafka takes. */
const LARGEST = 2 ** 31 - 1
/** What a dead letter may have more than its record, in bytes: our headers, of which the error is the longest. */
const ROOM = 64 * 1024

/** Makes a dead-letter topic that takes whatever `sources` take. One that is there by now is left as it is. */
export async function createDeadLetterTopic(
  connection: ResolvedKafkaConnection,
  topic: string,
  sources: readonly string[],
): Promise<void> {
  const { Admin, ConfigResourceTypes } = await importKafka('kafkaSubscription')
  const admin = new Admin({ ...clientOptions(connection), retries: 0 })
  const patience = connection.connectTimeout + connection.timeout
  try {
    let limit: number | undefined = 0
    for (const source of sources) {
      const own = await within(patience, limitOf(admin, source, ConfigResourceTypes.TOPIC))
      limit = own === undefined || limit === undefined ? undefined : Math.max(own, limit)
    }
    // Where we may not ask, the broker's own limit is the likeliest.
    const configs = limit === undefined ? [] : [{ name: LIMIT, value: String(Math.min(limit + ROOM, LARGEST)) }]
    // As many replicas as the broker gives by itself.
    await within(patience, admin.createTopics({ topics: [topic], partitions: 1, replicas: -1, configs }))
  } catch (error) {
    if (!says(error, 'TOPIC_ALREADY_EXISTS')) throw failureOf(error, topic, false).error
  } finally {
    await admin.close().catch(() => undefined)
  }
}

/** The largest batch that a topic takes, in bytes; undefined = we may not know. */
async function limitOf(admin: Admin, topic: string, resourceType: 2): Promise<number | undefined> {
  try {
    const resource = { resourceType, resourceName: topic, configurationKeys: [LIMIT] }
    const [described] = await admin.describeConfigs({ resources: [resource] })
    const value = described?.configs.find(({ name }) => name === LIMIT)?.value ?? undefined
    return value === undefined ? undefined : Number(value)
  } catch (error) {
    if (says(error, 'TOPIC_AUTHORIZATION_FAILED')) return undefined
    throw failureOf(error, topic, false).error
  }
}

/** Whether it, or what it is made of, has this name in the protocol. */
function says(error: unknown, name: string): boolean {
  return chainOf(error).some((each) => protocolName(each) === name)
}
