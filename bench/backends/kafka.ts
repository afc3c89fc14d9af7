import { Admin, Producer } from '@platformatic/kafka'
import { kafka } from '../../src/kafka/kafka.ts'
import { inFlight, type Peer } from './peer.ts'

const server = new URL(process.env['KAFKA_URL'] ?? 'kafka://127.0.0.1:9092').host

/** `fenced`: with a producer for each lane. */
export const peerOf = (fenced: boolean): Peer => ({
  title: fenced ? 'Kafka, fenced' : 'Kafka',
  process: 'java',
  loop: '@platformatic/kafka, acks=all, batches of 1,000, four at a time',
  async open(topic) {
    const admin = new Admin({ clientId: 'bench', bootstrapBrokers: [server] })
    await admin.createTopics({ topics: [topic], partitions: 4, replicas: 1 })
    const producer = new Producer({ clientId: 'bench', bootstrapBrokers: [server] })
    const name = Buffer.from('content-type')
    const type = Buffer.from('application/cloudevents+json; charset=utf-8')
    return {
      backend: kafka({ bootstrapServers: server, topic, fenced }),
      async send(payloads) {
        const batches = Array.from({ length: Math.ceil(payloads.length / 1_000) }, (_, n) =>
          payloads.slice(n * 1_000, (n + 1) * 1_000),
        )
        await inFlight(batches, 4, (batch) =>
          producer.send({
            acks: -1,
            messages: batch.map(({ key, body }) => ({
              topic,
              key: Buffer.from(key),
              value: body,
              headers: new Map([[name, type]]),
            })),
          }),
        )
      },
      async close() {
        await producer.close()
        await admin.deleteTopics({ topics: [topic] })
        await admin.close()
      },
    }
  },
})

export const peer = peerOf(false)
