import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { connectAsync } from 'mqtt'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import { mqttSubscription } from '../../src/mqtt/mqtt-subscription.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import {
  type StoredDeadLetter,
  type SubscriptionFixture,
  subscriptionConformance,
} from '../../src/testing/subscription-conformance.ts'
import { MosquittoProcess, skipWithoutMosquitto } from '../backend/mosquitto-process.ts'
import { publishTo } from './publish-to.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

describe('mqttSubscription', { skip: skipWithoutMosquitto() }, () => {
  let server: MosquittoProcess
  before(async () => {
    server = await MosquittoProcess.start()
  })
  after(() => server?.remove())

  const fixture = async (mode: 'structured' | 'binary'): Promise<SubscriptionFixture> => {
    const place = `t${randomBytes(6).toString('hex')}`
    /** Which names of processes are in use: one that ended comes back under its own. */
    const processes: (Subscription | undefined)[] = []
    const made: Subscription[] = []
    const backend = mqtt({ url: server.url, topic: `${place}/events`, mode })
    const letters: StoredDeadLetter[] = []
    let marked = Promise.withResolvers<void>()
    const reader = await connectAsync(server.url, { protocolVersion: 5, clean: false, clientId: `${place}-reader` })
    reader.on('error', () => undefined)
    reader.on('message', (_topic, body, { properties }) => {
      if (String(body) === 'marker') return marked.resolve()
      const property = (name: string): string => String(properties?.userProperties?.[`broadcaster-${name}`])
      const attempts = Number(property('attempts'))
      letters.push({ body, consumer: property('consumer'), error: property('error'), attempts })
    })
    await reader.subscribeAsync(`${place}/dead`, { qos: 1 })
    return {
      subscribe() {
        const free = processes.indexOf(undefined)
        const at = free < 0 ? processes.length : free
        const subscription = mqttSubscription({
          url: server.url,
          clientId: `${place}-${at}`,
          topics: `${place}/events`,
          prefetch: 20_000,
          deadLetter: { topic: `${place}/dead`, keep: true },
        })
        const { open, close, deadLetterPlace } = subscription
        // Each case has its own shared subscription, as it has its own topic.
        subscription.open = ({ consumer }, signal) =>
          open.call(subscription, { consumer: `${place}-${consumer}` }, signal)
        subscription.deadLetterPlace = ({ consumer }) =>
          deadLetterPlace?.({ consumer: `${place}-${consumer}` }) ?? assert.fail('it keeps no dead letters')
        subscription.close = async () => {
          await close.call(subscription)
          if (processes[at] === subscription) processes[at] = undefined
        }
        processes[at] = subscription
        made.push(subscription)
        return subscription
      },
      publish: (events) => publishTo(backend, events),
      async publishUnreadable(body) {
        await reader.publishAsync(`${place}/events`, body, { qos: 1 })
      },
      async deadLetters() {
        // Comes after all that was published there before it.
        marked = Promise.withResolvers()
        await reader.publishAsync(`${place}/dead`, 'marker', { qos: 1 })
        await marked.promise
        return letters
      },
      stopServer: () => server.stop(),
      startServer: () => server.start(),
      async close() {
        for (const subscription of made) await subscription.close()
        await backend.close()
        await reader.endAsync(true)
      },
    }
  }

  const limits = {
    backlog: 'MQTT has no word for it',
    redeliverAfter: 'the server takes nothing back while the connection lasts',
    counts: 'the server says only that it is not the first time, and only after a lost connection',
  }
  for (const mode of ['structured', 'binary'] as const) {
    describe(mode, () => {
      runConformance(runner, subscriptionConformance, () => fixture(mode), limits)
    })
  }
})
