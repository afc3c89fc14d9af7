import { randomBytes } from 'node:crypto'
import { Admin, Consumer, Producer } from '@platformatic/kafka'
import type { EncodableEvent } from '../../src/event/cloud-event.ts'
import { decodeKafka } from '../../src/event/kafka.ts'

/** A record as a reader sees it. */
export interface ReadRecord {
  readonly partition: number
  readonly offset: bigint
  readonly key: Buffer | undefined
  readonly value: Buffer
  readonly headers: ReadonlyMap<string, string>
}

/** A name that no other test has. */
export function topicName(): string {
  return `broadcaster-test-${randomBytes(6).toString('hex')}`
}

/** Runs `work` with an administrator of its own. */
export async function withAdmin<T>(server: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [server], retries: 3, retryDelay: 100 })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

/** Asks again for so long: a broker that has just started refuses what it has not yet heard of from its controller. */
const PATIENTLY = { retries: 600, retryDelay: 50 } as const

/** Resolves when a broker that answers also gives ids to idempotent producers. */
export async function servesProducers(server: string): Promise<void> {
  const producer = new Producer({ clientId: 'test', bootstrapBrokers: [server], idempotent: true, ...PATIENTLY })
  await producer.initIdempotentProducer({})
  await producer.close()
}

/** Resolves when it also coordinates groups: the first to ask makes it create the topic of their offsets. */
export async function servesGroups(server: string): Promise<void> {
  const consumer = new Consumer({ clientId: 'test', groupId: topicName(), bootstrapBrokers: [server], ...PATIENTLY })
  await consumer.findGroupCoordinator()
  await consumer.close(true)
}

/** Resolves when the broker leads the topic: one that has just started still answers that it does not. */
export async function servesTopic(server: string, topic: string): Promise<void> {
  const end = Date.now() + 60_000
  for (;;) {
    // Each time a client of its own, which has not yet heard of any leader.
    const reader = new Consumer({ clientId: 'test', groupId: topicName(), bootstrapBrokers: [server], retries: 0 })
    try {
      await reader.listOffsets({ topics: [topic], timestamp: -1n })
      return
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      await reader.close(true)
    }
  }
}

/** How long a broker may take to hear of a topic, in milliseconds. */
const PATIENCE = 10_000

/** Resolves when the broker knows of the topic: its controller has answered before. */
export async function createTopic(
  server: string,
  name: string,
  partitions = 4,
  config: Readonly<Record<string, string>> = {},
): Promise<void> {
  const configs = Object.entries(config).map(([key, value]) => ({ name: key, value }))
  await withAdmin(server, async (admin) => {
    await admin.createTopics({ topics: [name], partitions, replicas: 1, configs })
    for (const end = Date.now() + PATIENCE; ; ) {
      try {
        return void (await admin.metadata({ topics: [name], forceUpdate: true }))
      } catch (error) {
        if (Date.now() > end) throw error
      }
    }
  })
}

export async function deleteTopics(server: string, names: readonly string[]): Promise<void> {
  await withAdmin(server, async (admin) => {
    for (const name of names) await admin.deleteTopics({ topics: [name] }).catch(() => undefined)
  })
}

/** Every record of a topic, by partition, in the order of each. */
export async function readTopic(server: string, topic: string): Promise<readonly ReadRecord[]> {
  const reader = new Consumer<Buffer, Buffer, Buffer, Buffer>({
    groupId: `reader-${randomBytes(4).toString('hex')}`,
    clientId: 'reader',
    bootstrapBrokers: [server],
    autocommit: false,
  })
  try {
    const ends = (await reader.listOffsets({ topics: [topic], timestamp: -1n })).get(topic) ?? []
    let left = ends.reduce((sum, end) => sum + Number(end), 0)
    const starts = (await reader.listOffsets({ topics: [topic], timestamp: -2n })).get(topic) ?? []
    left -= starts.reduce((sum, start) => sum + Number(start), 0)
    const records: ReadRecord[] = []
    if (left === 0) return records
    const stream = await reader.consume({
      topics: [topic],
      mode: 'manual',
      offsets: starts.map((offset, partition) => ({ topic, partition, offset })),
      maxWaitTime: 100,
    })
    for await (const { partition, offset, key, value, headers } of stream) {
      const named = Array.from(headers, ([name, text]): [string, string] => [String(name), String(text)])
      records.push({ partition, offset, key, value, headers: new Map(named) })
      if (--left === 0) break
    }
    await stream.close()
    return records.toSorted((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
  } finally {
    await reader.close(true)
  }
}

/** The events of a topic. */
export async function readEvents(server: string, topic: string): Promise<readonly EncodableEvent[]> {
  return (await readTopic(server, topic)).map(({ headers, value }) => decodeKafka(headers, value))
}
