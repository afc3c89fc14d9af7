import { after, before, describe, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import type { SendContext } from '../../src/backend/backend.ts'
import { type KafkaOptions, kafka } from '../../src/kafka/kafka.ts'
import { hashKey } from '../../src/record/hash-key.ts'
import { type BackendFixture, backendConformance } from '../../src/testing/backend-conformance.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { skipWithoutJars } from '../support/jars.ts'
import { KafkaProcess } from './kafka-process.ts'
import { createTopic, readEvents, servesProducers, servesTopic, topicName } from './kafka-topic.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

describe('kafka', { skip: skipWithoutJars('kafka') }, () => {
  let server: KafkaProcess
  before(async () => {
    server = await KafkaProcess.start()
    await servesProducers(server.address)
  })
  after(() => server?.remove())

  const fixture = async (options: KafkaOptions, close?: () => Promise<void>): Promise<BackendFixture> => {
    const topic = topicName()
    // One partition: the cases compare what arrived with what was sent, in order.
    await createTopic(server.address, topic, 1)
    const backend = kafka({
      ...(options.producer ? {} : { bootstrapServers: server.address, connectTimeout: 2_000, timeout: 3_000 }),
      topic: (event) => (event.subject === 'refused' ? `${topic}-missing` : topic),
      ...options,
    })
    return {
      backend,
      refused: { subject: 'refused' },
      read: () => readEvents(server.address, topic),
      stopServer: () => server.kill(),
      async startServer() {
        await server.start()
        await servesProducers(server.address)
        await servesTopic(server.address, topic)
      },
      async close() {
        await backend.close()
        await close?.()
      },
    }
  }

  describe('structured', () => {
    runConformance(runner, backendConformance, () => fixture({}))
  })

  describe('binary, compressed, not idempotent', () => {
    runConformance(runner, backendConformance, () =>
      fixture({ mode: 'binary', compression: 'gzip', idempotent: false }),
    )
  })

  describe('fenced', () => {
    runConformance(runner, backendConformance, async () => {
      const made = await fixture({ fenced: true })
      // As a worker that owns every lane; a key has one.
      const lanes: SendContext = {
        mayBegin: () => true,
        ownerOf: ({ partitionKey }) => ({ lane: partitionKey === undefined ? 0 : hashKey(partitionKey) % 8, fence: 1 }),
      }
      const { send, ...rest } = made.backend
      return { ...made, backend: { ...rest, send: (events, signal) => send(events, signal, lanes) } }
    })
  })

  describe('a producer of KafkaJS injected', () => {
    const injected = async (): Promise<BackendFixture> => {
      const retry = { retries: 0 }
      const client = new Kafka({ clientId: 'test', brokers: [server.address], retry, logLevel: logLevel.NOTHING })
      const producer = client.producer({ retry })
      await producer.connect()
      return fixture({ producer }, () => producer.disconnect())
    }
    runConformance(runner, backendConformance, injected, {
      stopServer: 'when an injected producer connects again is up to its owner',
    })
  })
})
