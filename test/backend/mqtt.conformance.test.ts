import { after, before, describe, test } from 'node:test'
import { connectAsync } from 'mqtt'
import { type MqttOptions, mqtt } from '../../src/mqtt/mqtt.ts'
import { type BackendFixture, backendConformance } from '../../src/testing/backend-conformance.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { MosquittoProcess, skipWithoutMosquitto } from './mosquitto-process.ts'
import { MqttPlace } from './mqtt-place.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

describe('mqtt', { skip: skipWithoutMosquitto() }, () => {
  let server: MosquittoProcess
  before(async () => {
    server = await MosquittoProcess.start()
    // Nobody may write there.
    const rights = server.write('acl', 'topic readwrite #\ntopic deny +/refused\n')
    await server.stop()
    await server.start(`acl_file ${rights}`)
  })
  after(() => server?.remove())

  const fixture = async (options: MqttOptions, close?: () => Promise<void>): Promise<BackendFixture> => {
    const place = await MqttPlace.make(server.url)
    const backend = mqtt({
      ...(options.client ? {} : { url: server.url, connectTimeout: 2_000 }),
      topic: (event) => `${place.name}/${event.subject === 'refused' ? 'refused' : 'events'}`,
      timeout: 5_000,
      ...options,
    })
    return {
      backend,
      refused: { subject: 'refused' },
      read: () => place.read(),
      stopServer: () => server.stop(),
      async startServer() {
        await server.start()
        await place.connected()
      },
      async close() {
        await backend.close()
        await place.remove()
        await close?.()
      },
    }
  }

  describe('structured, QoS 1', () => {
    runConformance(runner, backendConformance, () => fixture({}))
  })

  describe('binary, QoS 2', () => {
    runConformance(runner, backendConformance, () => fixture({ mode: 'binary', qos: 2 }))
  })

  describe('a client injected', () => {
    const injected = async (): Promise<BackendFixture> => {
      const client = await connectAsync(server.url, { protocolVersion: 5, reconnectPeriod: 0 })
      client.on('error', () => undefined)
      return fixture({ client }, () => client.endAsync(true))
    }
    runConformance(runner, backendConformance, injected, {
      stopServer: 'when an injected client connects again is up to its owner',
    })
  })
})
