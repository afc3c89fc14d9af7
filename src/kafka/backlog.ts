import { within } from './client.ts'
import type { ResolvedKafkaSubscriptionOptions } from './subscription-options.ts'

type Consumer = import('@platformatic/kafka').Consumer<Buffer, Buffer, Buffer, Buffer>

/** What Kafka is asked for instead of a time. */
const END = -1n
const BEGINNING = -2n

/** Records of all partitions that the group has not committed. What it never committed counts from where it begins. */
export async function backlogOf(
  consumer: Consumer,
  { connection, topics, start }: ResolvedKafkaSubscriptionOptions,
): Promise<number> {
  const limit = connection.connectTimeout + connection.timeout
  const offsetsAt = (timestamp: bigint) => within(limit, consumer.listOffsets({ topics: [...topics], timestamp }))
  const [ends, begins] = [await offsetsAt(END), await offsetsAt(BEGINNING)]
  const all = topics.map((topic) => ({ topic, partitions: [...(ends.get(topic)?.keys() ?? [])] }))
  const committed = await within(limit, consumer.listCommittedOffsets({ topics: all }))
  const counts = topics.flatMap((topic) =>
    (ends.get(topic) ?? []).map((end, number) => {
      const [begin, done] = [begins.get(topic)?.[number] ?? end, committed.get(topic)?.[number] ?? -1n]
      const from = done >= 0n ? done : start === 'all' ? begin : end
      return Number(end - (from > begin ? from : begin))
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
