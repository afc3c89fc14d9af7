import type { FetchedRecord, Partition } from './partition.ts'

type Consumer = import('@platformatic/kafka').Consumer<Buffer, Buffer, Buffer, Buffer>
type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>

/** What transactions leave in a log: no records. */
const CONTROL = 0b10_0000

/** The records of an answer that are new to us, in order. */
export function recordsIn(
  answer: FetchResponse,
  topicNames: ReadonlyMap<string, string>,
  partitions: ReadonlyMap<string, Partition>,
): readonly FetchedRecord[] {
  const fetched: FetchedRecord[] = []
  for (const { topicId, partitions: parts } of answer.responses) {
    const topic = topicNames.get(topicId) ?? ''
    for (const { partitionIndex, records: batches } of parts) {
      const partition = partitions.get(`${topic} ${partitionIndex}`)
      if (!partition) continue
      for (const batch of batches ?? []) {
        const after = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
        if (after <= partition.next) continue
        partition.leaderEpoch = batch.partitionLeaderEpoch
        for (const { offsetDelta, key, value, headers } of batch.attributes & CONTROL ? [] : batch.records) {
          const offset = batch.firstOffset + BigInt(offsetDelta)
          if (offset < partition.next) continue
          const leaderEpoch = batch.partitionLeaderEpoch
          fetched.push({ topic, partition: partitionIndex, offset, leaderEpoch, key, value, headers })
        }
        partition.next = after
      }
    }
  }
  return fetched
}
