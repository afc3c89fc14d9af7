import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { natsJetStream } from '../../src/nats/nats.ts'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'
import { webhook } from '../../src/webhook/webhook.ts'

const large = sampleEvent({ extensions: JSON.stringify({ small: 'x', large: 'x'.repeat(70_000) }) })
const inJapanese = sampleEvent({ dataContentType: 'text/plain; title="日本"' })
/** No event that is published has such a name; a row that was written by SQL may. */
const spaced = sampleEvent({ extensions: '{"a b":"1"}' })
const toWebhook = (mode: 'structured' | 'binary') => webhook({ url: 'http://127.0.0.1:1', keys: false, mode })
const longType = sampleEvent({ eventType: `order.${'ö'.repeat(240)}` })

/** What `publish` asks each backend before it inserts; `test/publish/publisher.test.ts` shows what becomes of the answer. */
const CASES: readonly (readonly [string, () => Backend, OutgoingEvent, string | undefined])[] = [
  ['nats, binary: 64 KiB of headers', () => natsJetStream({ stream: 'S', mode: 'binary' }), large, 'large'],
  ['nats, structured: the body carries them', () => natsJetStream({ stream: 'S' }), large, undefined],
  ['rabbitmq, binary: 64 KiB of headers', () => rabbitmq({ mode: 'binary' }), large, 'large'],
  ['rabbitmq, structured: the body carries them', () => rabbitmq(), large, undefined],
  ['rabbitmq: a type over 255 bytes as the routing key', () => rabbitmq(), longType, 'type'],
  ['rabbitmq: a routing key of its own', () => rabbitmq({ routingKey: 'orders' }), longType, undefined],
  ['kafka: a type that makes a topic too long', () => kafka({ topic: 'events.{type}' }), longType, 'type'],
  ['kafka: one topic', () => kafka({ topic: 'events' }), longType, undefined],
  ['kafka, binary: headers as large as a record may be', () => kafka({ mode: 'binary' }), large, undefined],
  ['webhook, binary: a content type beyond ASCII', () => toWebhook('binary'), inJapanese, 'datacontenttype'],
  ['webhook, binary: a name that no header has', () => toWebhook('binary'), spaced, 'a b'],
  ['webhook, structured: the body carries both', () => toWebhook('structured'), inJapanese, undefined],
]

describe('events that a backend can never carry', () => {
  for (const [name, make, event, field] of CASES) {
    test(name, async () => {
      const backend = make()
      try {
        if (field === undefined) backend.checkEvent?.(event)
        else
          assert.throws(() => backend.checkEvent?.(event) ?? assert.fail('it is taken'), {
            code: 'INVALID_EVENT',
            field,
          })
      } finally {
        await backend.close()
      }
    })
  }
})
