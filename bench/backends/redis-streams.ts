import { createClient } from 'redis'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import type { Peer } from './peer.ts'

const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'

export const peer: Peer = {
  title: 'Redis Streams',
  process: 'redis-server',
  loop: 'node-redis, XADD pipelined, 1,000 at a time',
  async open(stream) {
    const client = createClient({ url })
    await client.connect()
    return {
      backend: redisStreams({ url, stream, trim: false }),
      async send(payloads) {
        for (let at = 0; at < payloads.length; at += 1_000) {
          const wave = payloads.slice(at, at + 1_000)
          await Promise.all(
            wave.map(({ id, body }) =>
              client.sendCommand([
                'XADD',
                stream,
                '*',
                'event_id',
                id,
                'event_type',
                'order.created',
                'source',
                '/bench/orders',
                'timestamp',
                '2026-01-01T00:00:00.000Z',
                'cloud_event',
                body,
              ]),
            ),
          )
        }
      },
      async close() {
        await client.del(stream)
        client.destroy()
      },
    }
  },
}
