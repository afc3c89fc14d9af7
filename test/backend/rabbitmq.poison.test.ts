import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connect } from 'amqplib'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { type RabbitMqOptions, rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { RabbitMqPlace } from './rabbitmq-place.ts'

const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
const extensions = (bytes: number) => JSON.stringify({ large: 'x'.repeat(bytes) })
/** Events that no message can carry, as plain SQL may write them. */
const POISON: readonly (readonly [string, OutgoingEvent])[] = [
  ['attributes of 64 KiB and a little', sampleEvent({ extensions: extensions(65_530) })],
  ['attributes of 80 KiB', sampleEvent({ extensions: extensions(80_000) })],
  ['attributes of 100 KiB', sampleEvent({ extensions: extensions(102_000) })],
  ['an attribute whose name is too long', sampleEvent({ extensions: JSON.stringify({ ['n'.repeat(300)]: 'x' }) })],
  [
    'a content type over 255 bytes',
    sampleEvent({ dataContentType: `text/plain; title=${'x'.repeat(300)}`, data: '"x"' }),
  ],
  ['a type over 255 bytes as the routing key', sampleEvent({ eventType: 'ö'.repeat(200) })],
]

describe('rabbitmq: events that cannot be written', { skip: skipWithout('rabbitmq') }, () => {
  const url = servers.rabbitmq()?.url ?? ''

  async function withBackend(
    options: RabbitMqOptions,
    work: (backend: Backend, place: RabbitMqPlace) => Promise<void>,
  ): Promise<void> {
    const place = await RabbitMqPlace.make(url)
    const backend = rabbitmq({
      ...(options.channel ? {} : { url }),
      exchange: place.name,
      mode: 'binary',
      timeout: 3_000,
      ...options,
    })
    try {
      await place.channel.bindQueue(place.name, place.name, 'order.created')
      await work(backend, place)
    } finally {
      await backend.close()
      await place.remove()
    }
  }

  test('each fails alone and for good; those beside it and after it are delivered, each by its own confirm', () =>
    withBackend({}, async (backend, place) => {
      for (const [what, poison] of POISON) {
        const results = await backend.send([sampleEvent(), poison, sampleEvent(), sampleEvent()], never)
        assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'ok', 'ok'], what)
      }
      assert.equal((await place.read()).length, 3 * POISON.length)
    }))

  test('on a channel of the caller, too, and the channel goes on', async () => {
    const model = await connect(url)
    const channel = await model.createConfirmChannel()
    try {
      await withBackend({ channel }, async (backend) => {
        for (const [what, poison] of POISON) {
          const results = await backend.send([sampleEvent(), poison, sampleEvent()], never)
          assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'ok'], what)
        }
        await channel.waitForConfirms()
      })
    } finally {
      await model.close()
    }
  })

  test('a connection of small frames carries what fits them, and what does not fails alone', async () => {
    const model = await connect(`${url}?frameMax=8192`)
    const channel = await model.createConfirmChannel()
    try {
      await withBackend({ channel }, async (backend) => {
        const events = [sampleEvent({ extensions: extensions(4_000) }), sampleEvent({ extensions: extensions(9_000) })]
        const results = await backend.send([...events, sampleEvent()], never)
        assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'ok'])
      })
    } finally {
      await model.close()
    }
  })

  test('what amqplib refuses to write, for whatever reason, leaves the confirms of the others in place', async () => {
    const model = await connect(url)
    const channel = await model.createConfirmChannel()
    const real = channel.publish.bind(channel)
    let refused = false
    // The client throws once it has counted the message, as it does for headers that do not fit.
    channel.publish = (exchange, routingKey, content, properties, callback) => {
      if (refused) return real(exchange, routingKey, content, properties, callback)
      refused = true
      return real(exchange, routingKey, content, { ...properties, headers: { ['n'.repeat(300)]: 1 } }, callback)
    }
    try {
      await withBackend({ channel }, async (backend) => {
        const results = await backend.send([sampleEvent(), sampleEvent(), sampleEvent()], never)
        assert.deepEqual(results.map(kindOf), ['permanent', 'ok', 'ok'])
      })
    } finally {
      await model.close()
    }
  })
})
