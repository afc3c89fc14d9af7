import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { natsJetStream } from '../../src/nats/nats.ts'
import { natsJetStreamSubscription } from '../../src/nats/nats-subscription.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { type SubscriptionFixture, subscriptionConformance } from '../../src/testing/subscription-conformance.ts'
import { NatsProcess, skipWithoutNatsServer } from '../backend/nats-process.ts'
import { withManager } from '../backend/nats-stream.ts'
import { publishTo } from './publish-to.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}
/** The shortest that may be asked for. */
const ACK_WAIT = 2_000

for (const mode of ['structured', 'binary'] as const) {
  describe(`natsJetStreamSubscription, ${mode} mode`, { skip: skipWithoutNatsServer() }, () => {
    let server: NatsProcess
    before(async () => {
      server = await NatsProcess.start()
    })
    after(() => server?.remove())

    const fixture = async (): Promise<SubscriptionFixture> => {
      const stream = `S_${randomBytes(4).toString('hex')}`
      const made: Subscription[] = []
      const backend = natsJetStream({
        url: server.url,
        stream: { name: stream, create: true, subjects: [`${stream}.>`] },
        subject: `${stream}.{type}`,
        mode,
      })
      await backend.connect?.(AbortSignal.timeout(5_000))
      return {
        subscribe() {
          const subscription = natsJetStreamSubscription({ url: server.url, stream, ackWait: ACK_WAIT })
          made.push(subscription)
          return subscription
        },
        publish: (events) => publishTo(backend, events),
        async publishUnreadable(body) {
          const nats = await connect({ servers: server.url })
          nats.publish(`${stream}.unreadable`, body)
          await nats.flush()
          await nats.close()
        },
        deadLetters: () => deadLettersOf(server.url, `${stream}_DEAD`),
        stopServer: () => server.stop(),
        startServer: () => server.start(),
        redeliverAfter: ACK_WAIT,
        async close() {
          for (const subscription of made) await subscription.close()
          await backend.close()
        },
      }
    }
    runConformance(runner, subscriptionConformance, fixture)
  })
}

function deadLettersOf(url: string, stream: string) {
  return withManager(url, async (manager) => {
    const { state } = await manager.streams.info(stream)
    const found = []
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
      const message = await manager.streams.getMessage(stream, { seq })
      if (!message) continue
      const header = (name: string): string => decodeURIComponent(message.header.get(`broadcaster-${name}`))
      found.push({
        body: message.data,
        consumer: header('consumer'),
        error: header('error'),
        attempts: Number(header('attempts')),
      })
    }
    return found
  })
}
