import type { Delivery } from './judge-deliveries.ts'

/** The clients' own type is too wide to name. */
interface StreamReader {
  xRange(key: string, from: string, to: string, options: { readonly COUNT: number }): Promise<unknown>
}

/** An entry, as far as the drills look at it. */
export interface StreamEntry extends Delivery {
  readonly id: string
  readonly type: string
  /** The number of the operation that replayed it; undefined = none did. */
  readonly replay: number | undefined
}

interface SentEvent {
  readonly id: string
  readonly type: string
  readonly partitionkey: string
  readonly replay?: number
  readonly data: { readonly count: number }
}

/** All entries of a stream, in their order; their data is the number of the event within its key. */
export async function readStream(redis: StreamReader, stream: string): Promise<readonly StreamEntry[]> {
  const all: StreamEntry[] = []
  for (let after = '-'; ; ) {
    const some = (await redis.xRange(stream, after, '+', { COUNT: 10_000 })) as readonly {
      readonly id: string
      readonly message: Readonly<Record<string, string>>
    }[]
    for (const { message } of some) {
      const { id, type, partitionkey, replay, data } = JSON.parse(message['cloud_event'] ?? '{}') as SentEvent
      all.push({ id, type, key: partitionkey, count: data.count, replay })
    }
    const last = some.at(-1)
    if (last === undefined) return all
    after = `(${last.id}`
  }
}
