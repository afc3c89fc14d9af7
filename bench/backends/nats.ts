import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import { natsJetStream } from '../../src/nats/nats.ts'
import { inFlight, type Peer } from './peer.ts'

const servers = process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222'

export const peer: Peer = {
  title: 'NATS JetStream',
  process: 'nats-server',
  loop: '@nats-io/jetstream, 1,000 in flight, with Nats-Msg-Id',
  async open(place) {
    const name = place.replaceAll(/\W/g, '_')
    const nats = await connect({ servers, noAsyncTraces: true })
    const manager = await jetstreamManager(nats)
    await manager.streams.add({ name, subjects: [`${name}.>`] })
    const client = jetstream(nats)
    return {
      backend: natsJetStream({ url: servers, stream: name, subject: `${name}.{type}` }),
      send: (payloads) =>
        inFlight(payloads, 1_000, ({ id, body }) => {
          const made = headers()
          made.set('content-type', 'application/cloudevents+json')
          return client.publish(`${name}.order.created`, body, { msgID: `loop ${id}`, headers: made })
        }),
      async close() {
        await manager.streams.delete(name)
        await nats.close()
      },
    }
  },
}
