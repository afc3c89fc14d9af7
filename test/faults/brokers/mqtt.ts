import { mqtt } from '../../../src/backend/mqtt/mqtt.ts'
import { mqttSubscription } from '../../../src/consumer/mqtt/mqtt-subscription.ts'
import { DURABLE, MosquittoProcess, skipWithoutMosquitto } from '../../backend/mosquitto-process.ts'
import type { FaultyBroker } from './broker.ts'

/** The backend's messages that wait for their acknowledgement. */
const IN_FLIGHT = 20

export const broker: FaultyBroker = {
  title: 'MQTT (Mosquitto)',
  durability: '`persistence true`, `autosave_interval 1` with `autosave_on_changes`',
  // It writes at the end of each round of its loop, and acknowledges within it: what was under way at each of two kills.
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
  backend: ({ url = '' }) => mqtt({ url, topic: 'events', ackTimeout: 5_000, maxInFlight: IN_FLIGHT }),
  subscription: ({ url = '', process = 'observer' }) =>
    mqttSubscription({ url, clientId: process, topics: 'events', deadLetter: { requireSubscriber: false } }),
}
