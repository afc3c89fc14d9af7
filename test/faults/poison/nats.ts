import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { connect, headers } from '@nats-io/transport-node'
import { natsJetStream } from '../../../src/nats/nats.ts'
import { natsJetStreamSubscription } from '../../../src/nats/nats-subscription.ts'
import { NatsProcess, skipWithoutNatsServer } from '../../backend/nats-process.ts'
import { withManager } from '../../backend/nats-stream.ts'
import type { PoisonedBroker } from './poison.ts'

const STREAM = 'EVENTS'
const MAX_PAYLOAD = 200_000
const USERS = `
max_payload: ${MAX_PAYLOAD}
no_auth_user: operator
authorization { users: [
  { user: operator, password: op },
  { user: app, password: app, permissions: { publish: { deny: ["events.secret.told"] } } }
] }`

export const broker: PoisonedBroker = {
  skip: skipWithoutNatsServer,
  async start() {
    const server = await NatsProcess.start(USERS)
    await withManager(server.url, (manager) =>
      manager.streams.add({ name: STREAM, subjects: ['events.>'], max_msg_size: 150_000 }),
    )
    return {
      backend: () =>
        natsJetStream({
          url: server.url,
          connection: { user: 'app', pass: 'app' },
          stream: STREAM,
          mode: 'binary',
          timeout: 500,
          subject: ({ type }) => `events.${type === 'long' ? 'x'.repeat(5_000) : type}`,
        }),
      subscription: () => natsJetStreamSubscription({ url: server.url, stream: STREAM, filterSubject: 'events.>' }),
      outgoing: [
        { type: 'secret.told' },
        { type: 'long' },
        { type: 'wild.*' },
        { type: 'headers' },
        { type: 'size', data: 'x'.repeat(160_000) },
        { type: 'payload', data: 'x'.repeat(MAX_PAYLOAD) },
        { type: 'lines' },
      ],
      sql: (table) =>
        `UPDATE ${table} SET data_content_type = E'text/plain\\r\\nx: y' WHERE event_type = 'lines';
         UPDATE ${table} SET extensions = json_build_object('large', repeat('x', 70000)) WHERE event_type = 'headers'`,
      async publishHostile() {
        await publishRaw(server.port, 'events.raw', 'NATS/1.0\r\na b: x\r\n\r\n', '{}')
        const nats = await connect({ servers: server.url })
        const large = headers()
        large.append('large', 'x'.repeat(65_000))
        nats.publish('events.large', 'not an event', { headers: large })
        nats.publish('events.none', '{"no":"event"')
        nats.publish('events.full', Buffer.alloc(149_000, 1))
        await nats.flush()
        await nats.close()
        return 4
      },
      remove: () => server.remove(),
    }
  },
}

async function publishRaw(port: number, subject: string, head: string, body: string): Promise<void> {
  const socket = connectSocket({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  const sizes = `${Buffer.byteLength(head)} ${Buffer.byteLength(head) + Buffer.byteLength(body)}`
  const login = '{"verbose":false,"headers":true,"user":"operator","pass":"op"}'
  socket.write(`CONNECT ${login}\r\nHPUB ${subject} ${sizes}\r\n${head}${body}\r\nPING\r\n`)
  for await (const chunk of socket) if (String(chunk).includes('PONG')) break
  socket.destroy()
}
