import { mqtt } from '../../../src/mqtt/mqtt.ts'
import { mqttSubscription } from '../../../src/mqtt/mqtt-subscription.ts'
import { DURABLE, MosquittoProcess, skipWithoutMosquitto } from '../../backend/mosquitto-process.ts'
import type { FaultyBroker } from './broker.ts'

/** The backend's messages that wait for their acknowledgement. */
const IN_FLIGHT = 20

export const broker: FaultyBroker = {
  title: 'MQTT (Mosquitto)',
  durability: '`persistence true`, `autosave_interval 1` with `autosave_on_changes`',
  // It writes at the end of each round of its loop, and acknowledges within it: what was in flight at each of two kills.
  mayLose: 2 * IN_FLIGHT,
  skip: skipWithoutMosquitto,
  async start(purpose) {
    const server = await MosquittoProcess.start(...(purpose === 'observe' ? DURABLE : []))
    return {
      address: { url: server.url },
      kill: () => server.kill(),
      restart: () => server.start(),
      remove: () => server.remove(),
    }
  },
  backend: ({ url = '' }) => mqtt({ url, topic: 'events', timeout: 5_000, concurrency: IN_FLIGHT }),
  subscription: ({ url = '', process }) =>
    mqttSubscription({
      url,
      clientId: process ?? 'observer',
      topics: 'events',
      // One that is shared is nobody's while its only process is away: what comes before it is back would be dropped.
      ...(process === undefined ? { share: false as const } : {}),
      deadLetter: { requireSubscriber: false },
    }),
}
