import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect } from 'amqplib'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import type { RabbitMqConfirmChannel } from '../../src/rabbitmq/client.ts'
import { RabbitMqConnection } from '../../src/rabbitmq/connection.ts'
import { messageOf } from '../../src/rabbitmq/message.ts'
import { resolveOptions } from '../../src/rabbitmq/options.ts'
import { type RabbitMqOptions, rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { errorOfClosedChannel } from '../../src/rabbitmq/send-failure.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { RabbitMqPlace } from './rabbitmq-place.ts'
import { StoppableProxy } from './stoppable-proxy.ts'

const skip = skipWithout('rabbitmq')
const never = new AbortController().signal

const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
const textOf = (result: SendResult | undefined) => (result?.ok === false ? String(result.error) : '')
/** With limits so short that a busy server now and then exceeds them. */
async function untilDelivered(backend: Backend): Promise<void> {
  for (const end = Date.now() + 30_000; ; ) {
    const [kind] = (await backend.send(sampleEvents(1), never)).map(kindOf)
    if (kind === 'ok') return
    if (Date.now() > end) assert.fail(`never delivered: ${kind}`)
  }
}
const times = (n: number, kind: string) => Array.from({ length: n }, () => kind)

/** Each line of the error table in docs/backends/rabbitmq.md, provoked on a real server. */
describe('rabbitmq: errors', { skip }, () => {
  const url = servers.rabbitmq()?.url ?? ''
  let place: RabbitMqPlace
  before(async () => {
    if (skip === false) place = await RabbitMqPlace.make(url)
  })
  beforeEach(async () => {
    await place.messages()
    place.received.length = 0
  })
  after(() => place?.remove())

  async function withBackend(options: RabbitMqOptions, work: (backend: Backend) => Promise<void>): Promise<void> {
    const to = options.channel || options.url ? {} : { url }
    const backend = rabbitmq({ ...to, exchange: place.name, routingKey: 'events', ...options })
    try {
      await work(backend)
    } finally {
      await backend.close()
    }
  }

  async function withProxy(options: RabbitMqOptions, work: (backend: Backend, proxy: StoppableProxy) => Promise<void>) {
    const through = new URL(url)
    const proxy = await StoppableProxy.to(Number(through.port || 5672))
    through.port = String(proxy.port)
    try {
      await withBackend({ url: through.href, ...options }, (backend) => work(backend, proxy))
    } finally {
      await proxy.stop()
    }
  }

  test('unroutable: a failure of that event alone, each by its own, though RabbitMQ confirms it', async () => {
    await withBackend({ routingKey: (event) => event.subject || 'events' }, async (backend) => {
      const events = [sampleEvent(), sampleEvent({ subject: 'nowhere' }), sampleEvent(), sampleEvent({ subject: 'no' })]
      const results = await backend.send(events, never)
      assert.deepEqual(results.map(kindOf), ['ok', 'failure', 'ok', 'failure'])
      assert.match(textOf(results[3]), /no queue is bound.*'no'/)
      assert.equal((await place.read()).length, 2)
    })
  })

  test('the default exchange: the routing key names the queue, and a queue that is missing is a failure', async () => {
    await withBackend({ exchange: '', routingKey: (event) => event.subject || place.name }, async (backend) => {
      const results = await backend.send([sampleEvent(), sampleEvent({ subject: `${place.name}-not` })], never)
      assert.deepEqual(results.map(kindOf), ['ok', 'failure'])
    })
  })

  test('404, one exchange for all events: outage, until it is declared', async () => {
    const exchange = `${place.name}-later`
    await withBackend({ exchange }, async (backend) => {
      const results = await backend.send(sampleEvents(3), never)
      assert.deepEqual(results.map(kindOf), times(3, 'outage'))
      assert.match(textOf(results[0]), /there is no exchange '.*-later'/)
      assert.equal((await backend.healthCheck(never)).healthy, false)
      await place.channel.assertExchange(exchange, 'fanout', { autoDelete: true })
      await place.channel.bindQueue(place.name, exchange, '')
      assert.deepEqual((await backend.send(sampleEvents(3), never)).map(kindOf), times(3, 'ok'))
      await place.channel.deleteExchange(exchange)
    })
  })

  test('404, an exchange for each event: a failure of its events alone', async () => {
    const exchange = (event: OutgoingEvent) => event.subject ?? place.name
    await withBackend({ exchange }, async (backend) => {
      const events = [sampleEvent(), sampleEvent({ subject: `${place.name}-not` }), sampleEvent()]
      for (let round = 0; round < 2; round++) {
        assert.deepEqual((await backend.send(events, never)).map(kindOf), ['ok', 'failure', 'ok'])
      }
    })
  })

  test('403: outage for one exchange, a failure of its event for an exchange of each event', async () => {
    // Nobody may publish to an internal exchange.
    const internal = `${place.name}-internal`
    await place.channel.assertExchange(internal, 'fanout', { internal: true })
    try {
      await withBackend({ exchange: internal }, async (backend) => {
        const results = await backend.send(sampleEvents(2), never)
        assert.deepEqual(results.map(kindOf), times(2, 'outage'))
        assert.match(textOf(results[0]), /403/)
      })
      await withBackend({ exchange: (event) => event.subject || place.name }, async (backend) => {
        const results = await backend.send([sampleEvent({ subject: internal }), sampleEvent()], never)
        assert.deepEqual(results.map(kindOf), ['failure', 'ok'])
      })
    } finally {
      await place.channel.deleteExchange(internal)
    }
  })

  test('406, a message too large: permanent, for that event alone', async (t) => {
    // Larger than the declared maximum of the other tests, so that they notice nothing of it.
    const limit = 9 * 1024 * 1024
    const old = limitMessages(limit)
    if (old === undefined) return t.skip('needs rabbitmqctl, to lower max_message_size')
    try {
      await withBackend({}, async (backend) => {
        const large = sampleEvent({ partitionKey: 'a', data: JSON.stringify('x'.repeat(limit)) })
        const events = [sampleEvent(), large, sampleEvent({ partitionKey: 'a' }), ...sampleEvents(10)]
        const results = await backend.send(events, never)
        assert.deepEqual(results.map(kindOf), ['ok', 'permanent', 'not-attempted', ...times(10, 'ok')])
      })
    } finally {
      limitMessages(old)
    }
  })

  test('a queue that is full: outage (a nack), until there is room', async () => {
    const queue = `${place.name}-full`
    await place.channel.assertQueue(queue, {
      exclusive: true,
      maxLength: 1,
      arguments: { 'x-overflow': 'reject-publish' },
    })
    await withBackend({ exchange: '', routingKey: queue }, async (backend) => {
      assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['ok'])
      const results = await backend.send(sampleEvents(2), never)
      assert.deepEqual(results.map(kindOf), times(2, 'outage'))
      assert.match(textOf(results[0]), /full/)
      await place.channel.purgeQueue(queue)
      assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['ok'])
    })
  })

  test('a channel that has refused a message is left, once nothing is in flight on it', async () => {
    const queue = `${place.name}-refuses`
    const full = { 'x-overflow': 'reject-publish' }
    await place.channel.assertQueue(queue, { exclusive: true, maxLength: 1, arguments: full })
    const options = resolveOptions({ url, routingKey: queue })
    const connection = new RabbitMqConnection(options)
    try {
      const first = await connection.channel('shared', never)
      const publish = () => first.publish(messageOf(sampleEvent(), options), never)
      assert.equal((await publish()).kind, 'confirmed')
      assert.equal(await connection.channel('shared', never), first)
      const refused = publish()
      assert.equal(await connection.channel('shared', never), first, 'what is in flight keeps its channel')
      assert.equal((await refused).kind, 'nacked')
      const [second, same] = await Promise.all([
        connection.channel('shared', never),
        connection.channel('shared', never),
      ])
      assert.notEqual(second, first)
      assert.equal(same, second)
      while (!first.closed) await nextTurn()
      assert.equal(await connection.channel('shared', never), second, 'its close leaves the successor alone')
    } finally {
      await connection.close()
    }
  })

  const away: readonly (readonly [string, (to: URL) => void, RegExp])[] = [
    ['a wrong password', (to) => void (to.password = 'wrong'), /403/],
    ['a vhost that does not exist', (to) => void (to.pathname = '/broadcaster-not'), /ConnectionClose/],
    ['nobody listens', (to) => void (to.port = '1'), /ECONNREFUSED/],
  ]
  for (const [name, change, said] of away) {
    test(`${name}: outage, for connect too`, async () => {
      const to = new URL(url)
      change(to)
      await withBackend({ url: to.href }, async (backend) => {
        const results = await backend.send(sampleEvents(2), never)
        assert.deepEqual(results.map(kindOf), times(2, 'outage'))
        assert.match(textOf(results[0]), said)
        assert.equal((await backend.healthCheck(never)).healthy, false)
        await assert.rejects(async () => backend.connect?.(never), said)
      })
    })
  }

  test('connection cut in the middle of a send: what was confirmed is delivered, the rest an outage', async () => {
    await withProxy({}, async (backend, proxy) => {
      assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['ok'])
      proxy.cutInsteadOfAnswer(2)
      const events = sampleEvents(200, 10)
      const results = await backend.send(events, never)
      const kinds = new Set(results.map(kindOf))
      assert.ok(kinds.has('outage'), [...kinds].join())
      for (const kind of kinds) assert.match(kind ?? '', /^(ok|outage|not-attempted)$/)
      const arrived = new Set((await place.read()).map(({ attributes }) => attributes['id']))
      for (const [n, event] of events.entries()) if (results[n]?.ok) assert.ok(arrived.has(event.id))
      assert.deepEqual((await backend.send(events, never)).map(kindOf), times(200, 'ok'))
    })
  })

  test('connection lost between sends: the next one opens another', async () => {
    await withProxy({}, async (backend, proxy) => {
      for (let round = 0; round < 3; round++) {
        assert.deepEqual((await backend.send(sampleEvents(2), never)).map(kindOf), times(2, 'ok'))
        await proxy.stop()
        assert.deepEqual((await backend.send(sampleEvents(2), never)).map(kindOf), times(2, 'outage'))
        await proxy.start()
      }
    })
  })

  test('half-open, nothing comes back: outage within timeout, and the connection is dropped', async () => {
    await withProxy({ timeout: 200, connectTimeout: 300 }, async (backend, proxy) => {
      await untilDelivered(backend)
      proxy.silence('both')
      const results = await backend.send(sampleEvents(3, 1), never)
      assert.deepEqual(results.map(kindOf), ['outage', 'not-attempted', 'not-attempted'])
      assert.match(textOf(results[0]), /within 200 ms/)
      const next = await backend.send(sampleEvents(1), never)
      assert.deepEqual(next.map(kindOf), ['outage'])
      proxy.cut()
      proxy.silence(false)
      await untilDelivered(backend)
    })
  })

  test('connection.blocked: outage for what is in flight and what comes, until unblocked', async () => {
    await withProxy({}, async (backend, proxy) => {
      const events = sampleEvents(1)
      assert.deepEqual((await backend.send(events, never)).map(kindOf), ['ok'])
      proxy.silence('answers')
      const sending = backend.send(events, never)
      // The frames that RabbitMQ sends; the server that all tests share cannot be made short of memory.
      proxy.say(methodFrame(60, Buffer.from('\x0alow memory')))
      assert.deepEqual((await sending).map(kindOf), ['outage'])
      const blocked = await backend.send(events, never)
      assert.deepEqual(blocked.map(kindOf), ['outage'])
      assert.match(textOf(blocked[0]), /low memory/)
      assert.equal((await backend.healthCheck(never)).healthy, false)
      proxy.silence(false)
      proxy.say(methodFrame(61))
      // Each turn lets the frame come in.
      while (kindOf((await backend.send(events, never))[0]) !== 'ok') await nextTurn()
    })
  })

  test('the server closes the connection (320): outage, and the next send opens another', async () => {
    await withProxy({}, async (backend, proxy) => {
      assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['ok'])
      proxy.silence('answers')
      const sending = backend.send(sampleEvents(2), never)
      // connection.close: code 320, the text, and no method to blame.
      const text = Buffer.from('CONNECTION_FORCED')
      proxy.say(methodFrame(50, Buffer.from([1, 64, text.length, ...text, 0, 0, 0, 0])))
      const results = await sending
      assert.deepEqual(results.map(kindOf), times(2, 'outage'))
      assert.match(textOf(results[0]), /320/)
      proxy.silence(false)
      assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['ok'])
    })
  })

  test('what cannot be written as a message: permanent, and the connection goes on', async () => {
    await withBackend({ mode: 'binary', routingKey: (event) => event.subject || 'events' }, async (backend) => {
      const results = await backend.send(
        [
          sampleEvent({ subject: 'ü'.repeat(200) }),
          sampleEvent({ extensions: JSON.stringify({ long: 'x'.repeat(200_000) }) }),
          sampleEvent({ data: '1', dataContentType: `application/json; x="${'y'.repeat(255)}"` }),
          sampleEvent(),
        ],
        never,
      )
      assert.deepEqual(results.map(kindOf), ['permanent', 'permanent', 'permanent', 'ok'])
    })
    const broken = () => {
      throw new Error('no such tenant')
    }
    await withBackend({ exchange: broken }, async (backend) => {
      const [result] = await backend.send(sampleEvents(1), never)
      assert.equal(kindOf(result), 'permanent')
      assert.match(textOf(result), /no such tenant/)
    })
  })

  test('a declared exchange: made at connect, and an outage when it exists with another type', async () => {
    const name = `${place.name}-declared`
    try {
      await withBackend({ create: { exchange: { name, type: 'fanout', durable: false } } }, async (backend) => {
        await backend.connect?.(never)
        await place.channel.checkExchange(name)
      })
      await withBackend({ create: { exchange: { name, type: 'topic', durable: false } } }, async (backend) => {
        const results = await backend.send(sampleEvents(1), never)
        assert.deepEqual(results.map(kindOf), ['outage'])
        assert.match(textOf(results[0]), /406/)
      })
    } finally {
      await place.channel.deleteExchange(name)
    }
  })

  test('any other reply code that closes a channel is an outage; a 406 is not blamed on one of several', () => {
    const error = (code: number) => Object.assign(new Error('closed'), { code })
    const kind = (code: number, alone: boolean) =>
      classifySendError(errorOfClosedChannel(error(code), 'x', { eachOwnExchange: true, alone })).kind
    assert.equal(kind(541, true), 'outage')
    assert.equal(kind(406, false), 'outage')
    assert.equal(kind(406, true), 'permanent')
  })

  test('the properties of a message', async () => {
    await withBackend({}, async (backend) => {
      const event = sampleEvent({ eventId: 'invoice/7', eventType: 'invoice.sent' })
      assert.deepEqual((await backend.send([event], never)).map(kindOf), ['ok'])
      const [message] = await place.messages()
      const { messageId, type, timestamp, contentType, deliveryMode } = message?.properties ?? {}
      assert.deepEqual(
        { messageId, type, timestamp, contentType, deliveryMode },
        {
          messageId: 'invoice/7',
          type: 'invoice.sent',
          timestamp: Math.floor(event.createdAt.getTime() / 1000),
          contentType: 'application/cloudevents+json; charset=utf-8',
          deliveryMode: 2,
        },
      )
    })
  })

  test('messages larger than the write buffer: each waits for room, and all arrive', async () => {
    await withBackend({}, async (backend) => {
      const events = sampleEvents(300, 0, { data: JSON.stringify('x'.repeat(100_000)) })
      assert.deepEqual((await backend.send(events, never)).map(kindOf), times(300, 'ok'))
      assert.equal((await place.messages()).length, 300)
    })
  })

  test('more exchanges than channels are kept: one that was closed to make room is opened again', async () => {
    const names = Array.from({ length: 210 }, (_, n) => `${place.name}-${n}`)
    for (const name of names) await place.channel.assertExchange(name, 'fanout', { durable: false })
    try {
      await withBackend({ exchange: (event) => event.subject ?? '' }, async (backend) => {
        // Nothing is bound to them: each comes back, and none is an outage.
        for (const subject of [...names, ...names.slice(0, 20)]) {
          assert.deepEqual((await backend.send([sampleEvent({ subject })], never)).map(kindOf), ['failure'])
        }
      })
    } finally {
      for (const name of names) await place.channel.deleteExchange(name)
    }
  })

  test('an injected channel: without confirms it is refused; once closed it is an outage; it is not closed by us', async () => {
    const model = await connect(url)
    try {
      const plain: unknown = await model.createChannel()
      assert.throws(() => rabbitmq({ channel: plain as RabbitMqConfirmChannel }), { code: 'INVALID_OPTION' })
      const channel = await model.createConfirmChannel()
      channel.on('error', () => undefined)
      await withBackend({ channel }, async (backend) => {
        assert.deepEqual((await backend.send(sampleEvents(2), never)).map(kindOf), times(2, 'ok'))
      })
      await channel.checkExchange(place.name)
      await withBackend({ channel, exchange: () => `${place.name}-not` }, async (backend) => {
        assert.deepEqual((await backend.send(sampleEvents(2), never)).map(kindOf), times(2, 'outage'))
        assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['outage'])
        assert.equal((await backend.healthCheck(never)).healthy, false)
      })
    } finally {
      await model.close()
    }
  })
})

test('rabbitmq: options are checked, and a url with its password is not shown', () => {
  const options = { url: 'amqp://a:secret@host/?heartbeat=3', port: 1, exchnge: 'x' }
  assert.throws(
    () => rabbitmq(options),
    (error: Error) =>
      /without a query/.test(error.message) && /exchange/.test(error.message) && !/secret/.test(error.message),
  )
})

/** A method frame on channel 0 of class 10, the connection. */
function methodFrame(method: number, payload = Buffer.alloc(0)): Buffer {
  const size = 4 + payload.length
  return Buffer.concat([
    Buffer.from([1, 0, 0, 0, 0, size >> 8, size & 255, 0, 10, 0, method]),
    payload,
    Buffer.from([206]),
  ])
}

/** Sets RabbitMQ's `max_message_size` and returns the value before; undefined when that cannot be done here. */
function limitMessages(bytes: number): number | undefined {
  const code = `{ok, V} = application:get_env(rabbit, max_message_size), application:set_env(rabbit, max_message_size, ${bytes}), V.`
  const { status, stdout } = spawnSync('rabbitmqctl', ['eval', code], { encoding: 'utf8', timeout: 20_000 })
  const value = Number(/\d+/.exec(stdout ?? '')?.[0])
  return status === 0 && Number.isInteger(value) ? value : undefined
}
