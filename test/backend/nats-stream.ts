import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { EncodableEvent } from '../../src/event/cloud-event.ts'
import { decodeNats } from '../../src/event/nats.ts'

type Manager = Awaited<ReturnType<typeof jetstreamManager>>

/** Looks at a server with a connection of its own. */
export async function withManager<T>(
  url: string,
  work: (manager: Manager) => Promise<T>,
  login: Readonly<Record<string, unknown>> = {},
): Promise<T> {
  const nats = await connect({ ...login, servers: url, reconnect: false })
  try {
    return await work(await jetstreamManager(nats, { checkAPI: false }))
  } finally {
    await nats.close()
  }
}

/** Every event of a stream, in its order. */
export function readStream(url: string, name: string): Promise<readonly EncodableEvent[]> {
  return withManager(url, async (manager) => {
    const { state } = await manager.streams.info(name)
    const events: EncodableEvent[] = []
    if (state.messages === 0) return events
    const consumer = await manager.jetstream().consumers.get(name)
    const messages = await consumer.fetch({ max_messages: state.messages, expires: 30_000 })
    for await (const { headers, data } of messages) {
      const pairs = (headers?.keys() ?? []).map((key): [string, string] => [key, headers?.get(key) ?? ''])
      events.push(decodeNats(pairs, data))
    }
    return events
  })
}
