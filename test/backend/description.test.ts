import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { consoleBackend } from '../../src/backend/console/console.ts'
import { fileBackend } from '../../src/backend/file/file.ts'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import { natsJetStream } from '../../src/nats/nats.ts'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { webhook } from '../../src/webhook/webhook.ts'

const TABLE: readonly (readonly [Backend, string])[] = [
  [kafka({ bootstrapServers: ['a:9092', 'b:9092'], topic: 'events' }), 'kafka events at a:9092, b:9092'],
  [kafka({ topic: ({ type }) => type }), 'kafka at localhost:9092'],
  [natsJetStream({ url: 'nats://user:secret@n:4222', stream: 'EVENTS' }), 'nats EVENTS at n:4222'],
  [mqtt({ url: 'mqtts://user:secret@m:8883', topic: 'events/{type}' }), 'mqtt events/{type} at m:8883'],
  [rabbitmq({ url: 'amqp://user:secret@r/vhost', exchange: 'events' }), 'rabbitmq events at r:5672'],
  [redisStreams({ url: 'redis://user:secret@h:6380/0', stream: 'events' }), 'redis-streams events at h:6380'],
  [redisStreams({ cluster: { nodes: ['a:1'] }, password: 'secret' }), 'redis-streams events at a:1'],
  [webhook({ url: 'https://partner.example/secret?token=secret' }), 'webhook at partner.example'],
  [webhook({ url: () => 'https://partner.example' }), 'webhook'],
  [handlers(), 'handlers of this process'],
  [fileBackend({ path: './events.jsonl' }), 'file ./events.jsonl'],
  [consoleBackend({ write: () => undefined }), 'console'],
  [memoryBackend(), 'memory'],
]

test('each backend says what it is and where, and no secret', async () => {
  for (const [backend, description] of TABLE) {
    assert.equal(backend.description, description)
    const [system, destination] = description.replace(/ (at|of) .*/, '').split(' ')
    assert.deepEqual({ destination: undefined, ...backend.messaging }, { system, destination })
    await backend.close()
  }
})
