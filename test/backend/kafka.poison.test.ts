import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { type KafkaJsProducer, kafka } from '../../src/kafka/kafka.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'

const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)

/** A client that throws for a batch that has the poison in it, whatever else is in it: one that cannot encode it, say. */
function choking(errorOf: () => Error): KafkaJsProducer & { readonly written: string[] } {
  const written: string[] = []
  return {
    written,
    async sendBatch({ topicMessages }) {
      const values = topicMessages.flatMap(({ messages }) => messages.map(({ value }) => String(value)))
      if (values.some((value) => value.includes('poison'))) throw errorOf()
      written.push(...values)
    },
  }
}

describe('kafka: one event for which the client throws what nobody knows', () => {
  for (const [name, topic] of [
    ['one topic', 'events'],
    ['several topics', ({ type }: OutgoingEvent) => type],
  ] as const) {
    test(`${name}: it fails alone, the others are delivered in order, and it is no outage`, async () => {
      const producer = choking(() => new TypeError('cannot encode it'))
      const backend = kafka({ producer, topic })
      const events = Array.from({ length: 40 }, (_, n) =>
        sampleEvent({ eventId: String(n), eventType: `type-${n % 3}`, data: n === 17 ? '"poison"' : '1' }),
      )
      const results = await backend.send(events, never)
      assert.deepEqual(
        results.map(kindOf),
        events.map((_, n) => (n === 17 ? 'failure' : 'ok')),
      )
      const ids = producer.written.map((value) => Number((JSON.parse(value) as { id: string }).id))
      assert.equal(ids.length, 39)
      for (let type = 0; type < 3; type++) {
        const own = ids.filter((id) => id % 3 === type)
        assert.deepEqual(
          own,
          own.toSorted((a, b) => a - b),
        )
      }
      await backend.close()
    })
  }

  test('an event larger than any request: permanent, found before it is sent', async () => {
    const producer = choking(() => new Error('never'))
    const backend = kafka({ producer, maxEventBytes: 2 ** 28, mode: 'binary' })
    const dataBinary = Buffer.alloc(100 * 1024 * 1024)
    const large = sampleEvent({ data: null, dataBinary, dataContentType: 'application/octet-stream' })
    const results = await backend.send([sampleEvent(), large, sampleEvent()], never)
    assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'ok'])
    await backend.close()
  })
})
