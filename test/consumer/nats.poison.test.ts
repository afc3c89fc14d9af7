import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { natsJetStreamSubscription } from '../../src/nats/nats-subscription.ts'
import { opened, take, takeFor } from '../../src/testing/subscription/steps.ts'
import { NatsProcess, skipWithoutNatsServer } from '../backend/nats-process.ts'
import { withManager } from '../backend/nats-stream.ts'

const MAX_PAYLOAD = 200_000
const REASON = { consumer: 'billing', error: new Error(`größer ${'ü'.repeat(1_500)}`), attempts: 2 }

interface Place {
  readonly stream: string
  readonly nats: NatsConnection
  readonly subscription: Subscription
  /** Gives up the next one, and expects a good one behind it. */
  giveUp(): Promise<void>
  letter(): Promise<{ readonly body: Uint8Array; header(name: string): string }>
}

/** Messages that leave no room for the headers of a dead letter, or that this client would not write. */
describe('natsJetStreamSubscription: messages that are hard to give up', { skip: skipWithoutNatsServer() }, () => {
  let server: NatsProcess
  before(async () => {
    server = await NatsProcess.start(`max_payload: ${MAX_PAYLOAD}`)
  })
  after(() => server?.remove())

  async function place(work: (place: Place) => Promise<void>): Promise<void> {
    const stream = `S_${randomBytes(4).toString('hex')}`
    await withManager(server.url, (manager) => manager.streams.add({ name: stream, subjects: [`${stream}.>`] }))
    const nats = await connect({ servers: server.url })
    const subscription = natsJetStreamSubscription({ url: server.url, stream })
    try {
      await work({
        stream,
        nats,
        subscription,
        async giveUp() {
          nats.publish(`${stream}.good`, 'good')
          await nats.flush()
          await opened(subscription)
          const [poison, good] = await take(subscription, 2)
          await poison?.deadLetter(REASON)
          await good?.acknowledge()
          assert.deepEqual(await takeFor(subscription, 200), [])
        },
        letter: () =>
          withManager(server.url, async (manager) => {
            const message = await manager.streams.getMessage(`${stream}_DEAD`, { seq: 1 })
            assert.ok(message)
            return { body: message.data, header: (name) => message.header?.get(name) ?? '' }
          }),
      })
    } finally {
      await subscription.close()
      await nats.close()
    }
  }

  test('headers near 64 KiB: the largest is left out, and the others are there', () =>
    place(async ({ stream, nats, giveUp, letter }) => {
      const full = headers()
      full.append('small', 'kept')
      // Of the first stream: another one would refuse the message for it.
      full.append('Nats-Expected-Last-Sequence', '0')
      full.append('large', 'x'.repeat(65_000))
      nats.publish(`${stream}.poison`, 'poison', { headers: full })
      await giveUp()
      const { body, header } = await letter()
      assert.equal(Buffer.from(body).toString(), 'poison')
      assert.deepEqual([header('small'), header('large'), header('broadcaster-left-out')], ['kept', '', 'large'])
      assert.equal(header('Nats-Expected-Last-Sequence'), '')
      assert.match(decodeURIComponent(header('broadcaster-error')), /^größer ü+/)
    }))

  test('a message that fills max_payload by itself goes without headers; a little less, and the error is shortened', async () => {
    await place(async ({ stream, nats, giveUp, letter }) => {
      nats.publish(`${stream}.poison`, Buffer.alloc(MAX_PAYLOAD, 1))
      await giveUp()
      assert.equal((await letter()).body.length, MAX_PAYLOAD)
    })
    await place(async ({ stream, nats, giveUp, letter }) => {
      nats.publish(`${stream}.poison`, Buffer.alloc(MAX_PAYLOAD - 2_000, 1))
      await giveUp()
      const { body, header } = await letter()
      assert.equal(body.length, MAX_PAYLOAD - 2_000)
      assert.equal(header('broadcaster-consumer'), 'billing')
      assert.match(header('broadcaster-error'), /^gr/)
    })
  })

  test('headers that the client cannot read: given up as it is, and those behind it go on', () =>
    place(async ({ stream, giveUp, letter }) => {
      await publishRaw(server.port, `${stream}.poison`, 'NATS/1.0\r\na b: x\r\n\r\n', 'poison')
      await giveUp()
      const { body, header } = await letter()
      assert.equal(Buffer.from(body).toString(), 'poison')
      assert.match(decodeURIComponent(header('broadcaster-left-out')), /^all/)
    }))
})

/** Past any client: a server takes headers that they refuse. */
async function publishRaw(port: number, subject: string, head: string, body: string): Promise<void> {
  const socket = connectSocket({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  const sizes = `${Buffer.byteLength(head)} ${Buffer.byteLength(head) + Buffer.byteLength(body)}`
  socket.write(`CONNECT {"verbose":false,"headers":true}\r\nHPUB ${subject} ${sizes}\r\n${head}${body}\r\nPING\r\n`)
  for await (const chunk of socket) if (String(chunk).includes('PONG')) break
  socket.destroy()
}
