import { after, before, describe, test } from 'node:test'
import { type KafkaOptions, kafka } from '../../src/backend/kafka/kafka.ts'
import { type BackendFixture, backendConformance } from '../../src/testing/backend-conformance.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { KafkaProcess, skipWithoutKafkaServer } from './kafka-process.ts'
import { createTopic, readEvents, topicName } from './kafka-topic.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

describe('kafka', { skip: skipWithoutKafkaServer() }, () => {
  let server: KafkaProcess
  before(async () => {
    server = await KafkaProcess.start()
  })
  after(() => server?.remove())

  const fixture = async (options: KafkaOptions): Promise<BackendFixture> => {
    const topic = topicName()
    // One partition: the cases compare what arrived with what was sent, in order.
    await createTopic(server.address, topic, 1)
    const backend = kafka({
      bootstrapServers: server.address,
      topic: (event) => (event.subject === 'refused' ? `${topic}-missing` : topic),
      connectTimeout: 2_000,
      timeout: 3_000,
      ...options,
    })
    return {
      backend,
      refused: { subject: 'refused' },
      read: () => readEvents(server.address, topic),
      stopServer: () => server.kill(),
      startServer: () => server.start(),
      close: () => backend.close(),
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
})
