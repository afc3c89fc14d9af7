import { createClient } from 'redis'
import { type BenchEvent, STREAM_LENGTH } from './task.ts'

/** Appends events one by one, with the client's own pipeline: commands of one moment are one write. */
export interface EntryWriter {
  add(id: string, event: BenchEvent, createdAt: Date): Promise<void>
  close(): void
}

/** For jobs: each becomes the same entry as with ours. Every hundredth trims. */
export async function entryWriter(redisUrl: string, stream: string): Promise<EntryWriter> {
  const client = createClient({ url: redisUrl })
  await client.connect()
  let added = 0
  return {
    async add(id, { type, source, data, partitionKey }, createdAt) {
      const time = createdAt.toISOString()
      const attributes = { specversion: '1.0', id, source, type, time, datacontenttype: 'application/json' }
      const cloudEvent = JSON.stringify({ ...attributes, partitionkey: partitionKey, data })
      const trim = ++added % 100 === 0 ? ['MAXLEN', '~', String(STREAM_LENGTH)] : []
      const fields = [
        'event_id',
        id,
        'event_type',
        type,
        'source',
        source,
        'timestamp',
        time,
        'cloud_event',
        cloudEvent,
      ]
      await client.sendCommand(['XADD', stream, ...trim, '*', ...fields])
    },
    close: () => client.destroy(),
  }
}
