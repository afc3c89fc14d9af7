import { mqtt } from '../../../src/mqtt/mqtt.ts'
import { mqttSubscription } from '../../../src/mqtt/mqtt-subscription.ts'
import { HiveMqProcess } from '../../backend/hivemq-process.ts'
import { skipWithoutJars } from '../../support/jars.ts'
import type { FaultyBroker } from './broker.ts'

export const broker: FaultyBroker = {
  title: 'MQTT (HiveMQ CE)',
  durability: 'persistence mode `file`',
  // Where two such tests ran side by side, one of 20,000 did not come in 6 of 26 runs; alone, in none. In the one
  // that was looked at it had been published as the server had just started, and acknowledged. With requireSubscriber it
  // is the same, so the server had found the subscriber. Not explained.
  mayLose: 1,
  mayStall: true,
  skip: () => skipWithoutJars('hivemq'),
  async start() {
    const server = await HiveMqProcess.start()
    return {
      address: { url: server.url },
      kill: () => server.kill(),
      restart: () => server.start(),
      remove: () => server.remove(),
    }
  },
  backend: ({ url = '' }) => mqtt({ url, topic: 'events', timeout: 5_000 }),
  // Each process gets all: HiveMQ CE 2025.5 now and then stops handing out a shared subscription's messages
  // (hivemq-community-edition, issue 558; seen here after a restart). The inbox is what makes the effects happen once.
  subscription: ({ url = '', process = 'observer' }) =>
    mqttSubscription({
      url,
      clientId: process,
      topics: 'events',
      share: false,
      deadLetter: { requireSubscriber: false },
    }),
}
