import { mqtt } from '../../../src/backend/mqtt/mqtt.ts'
import { mqttSubscription } from '../../../src/consumer/mqtt/mqtt-subscription.ts'
import { HiveMqProcess } from '../../backend/hivemq-process.ts'
import { skipWithoutJars } from '../../support/jars.ts'
import type { FaultyBroker } from './broker.ts'

export const broker: FaultyBroker = {
  title: 'MQTT (HiveMQ CE)',
  durability: 'persistence mode `file`',
  // One of 20,000 did not come in two of some thirty runs, on a machine with several times the load that it can bear;
  // not explained, and since then not seen again.
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
  backend: ({ url = '' }) => mqtt({ url, topic: 'events', ackTimeout: 5_000 }),
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
