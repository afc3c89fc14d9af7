import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connect } from 'amqplib'
import { deadLetterOf } from '../../src/rabbitmq/dead-letter.ts'
import { type RabbitMqSubscriptionOptions, rabbitmqSubscription } from '../../src/rabbitmq/rabbitmq-subscription.ts'
import {
  acknowledgeAll,
  idsOf,
  opened,
  publishedIds,
  take,
  takeFor,
  wireEvents,
} from '../../src/testing/subscription/steps.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { publishTo } from './publish-to.ts'
import { RabbitMqConsumingPlace } from './rabbitmq-consuming-place.ts'

async function place(work: (place: RabbitMqConsumingPlace) => Promise<void>, ...queues: string[]): Promise<void> {
  const made = await RabbitMqConsumingPlace.make()
  try {
    await work(made)
  } finally {
    await made.remove(...queues.map((name) => `${made.name}.${name}`))
  }
}

describe('rabbitmqSubscription', { skip: skipWithout('rabbitmq') }, () => {
  test('consumers of two queues each get everything that their bindings take', () =>
    place(
      async (at) => {
        const { name, backend } = at
        const own = (queue: string, routingKey: string): RabbitMqSubscriptionOptions => ({
          queue: `${name}.${queue}`,
          create: { queue: { type: 'classic' }, bindings: [{ exchange: name, routingKey }] },
        })
        const [all, orders] = [
          await opened(at.subscribe(own('all', '#'))),
          await opened(at.subscribe(own('orders', 'order.*'))),
        ]
        const events = [...wireEvents(3), ...wireEvents(2, 0, { eventType: 'invoice.sent' })]
        await publishTo(backend, events)
        assert.deepEqual(idsOf(await take(all, 5)), publishedIds(events))
        assert.deepEqual(idsOf(await take(orders, 3)), publishedIds(events).slice(0, 3))
        assert.deepEqual(idsOf(await takeFor(orders, 300)), [])
      },
      'all',
      'all.dead',
      'orders',
      'orders.dead',
    ))

  for (const type of ['classic', 'quorum'] as const) {
    test(`${type}: the backlog is what is ready, without what was handed out`, () =>
      place(async (at) => {
        const options = { prefetch: 2, create: { queue: { type }, bindings: [{ exchange: at.name }] } }
        const subscription = await opened(at.subscribe(options))
        await publishTo(at.backend, wireEvents(7))
        const becomes = async (expected: number): Promise<void> => {
          let found: number | undefined
          for (const end = Date.now() + 10_000; Date.now() < end && found !== expected; )
            found = await subscription.backlog?.()
          assert.equal(found, expected)
        }
        await becomes(5)
        await acknowledgeAll(await take(subscription, 2))
        await becomes(3)
      }))

    test(`${type}: of two processes one gets the messages, and the other takes over in order`, () =>
      place(async (at) => {
        const { name, backend, proxy } = at
        const options = { create: { queue: { type }, bindings: [{ exchange: name }] } }
        const active = await opened(at.subscribe(options))
        const direct = { ...options, url: backendUrl() }
        const standby = await opened(at.subscribe(direct))
        const events = wireEvents(30, 1)
        await publishTo(backend, events)
        const held = await take(active, 20)
        await acknowledgeAll(held.slice(0, 5))
        assert.deepEqual(idsOf(await takeFor(standby, 300)), [], 'it stands by')
        // As when its machine has gone.
        await proxy.stop()
        const rest = await take(standby, 25)
        assert.deepEqual(idsOf(rest), publishedIds(events).slice(5))
        assert.ok(rest.slice(0, 15).every(({ count }) => count >= 2))
        assert.ok(held.slice(5).every(({ lost }) => lost?.aborted))
        await assert.rejects(async () => held[9]?.acknowledge(), { code: 'SEND_OUTAGE' })
        await acknowledgeAll(rest)
        await proxy.start()
      }))
  }

  test('without singleActiveConsumer several processes get messages at the same time', () =>
    place(async (at) => {
      const { name, backend } = at
      const queue = { type: 'classic', singleActiveConsumer: false } as const
      const options = { prefetch: 5, create: { queue, bindings: [{ exchange: name }] } }
      const [one, two] = [await opened(at.subscribe(options)), await opened(at.subscribe(options))]
      await publishTo(backend, wireEvents(10))
      assert.equal((await take(one, 5)).length, 5)
      assert.equal((await take(two, 5)).length, 5)
    }))

  test('a queue that was deleted is an outage, and declared again', () =>
    place(async (at) => {
      const { queue, backend, channel } = at
      const subscription = await opened(at.subscribe())
      const waiting = subscription.receive(1, AbortSignal.timeout(10_000))
      await channel.deleteQueue(queue)
      await assert.rejects(waiting, { code: 'SEND_OUTAGE' })
      assert.deepEqual(await takeFor(subscription, 100), [])
      const events = wireEvents(2)
      await publishTo(backend, events)
      assert.deepEqual(idsOf(await take(subscription, 2)), publishedIds(events))
    }))

  test('a queue that is missing, or has other arguments, is an outage that says so', () =>
    place(async (at) => {
      const { name } = at
      await assert.rejects(opened(at.subscribe({ queue: `${name}.nowhere`, create: {} })), (error) => {
        assert.ok(error instanceof Error)
        assert.match(error.message, /nowhere/)
        return 'code' in error && error.code === 'SEND_OUTAGE'
      })
      await opened(at.subscribe())
      await assert.rejects(opened(at.subscribe({ create: { queue: { type: 'quorum' } } })), { code: 'SEND_OUTAGE' })
    }))

  for (const [what, source, options, expected] of [
    ['of a quorum queue that we did not make', { 'x-queue-type': 'quorum' }, {}, 'quorum'],
    ['of a classic queue that we did not make', { 'x-queue-type': 'classic' }, {}, 'classic'],
    ['of a queue without arguments, which is classic,', {}, {}, 'classic'],
    [
      'of a quorum queue of which one process reads',
      { 'x-queue-type': 'quorum', 'x-single-active-consumer': true },
      {},
      'quorum',
    ],
    ['of a queue with arguments that we cannot know', { 'x-queue-type': 'classic', 'x-max-length': 9 }, {}, 'quorum'],
    ['that the option says', { 'x-queue-type': 'quorum' }, { type: 'classic' }, 'classic'],
    ['that the option says', { 'x-queue-type': 'classic' }, { type: 'quorum' }, 'quorum'],
  ] as const) {
    test(`the dead-letter queue ${what} is ${expected}`, () =>
      place(async (at) => {
        const { queue, channel } = at
        await channel.assertQueue(queue, { durable: true, arguments: source })
        const subscription = await opened(at.subscribe({ create: {}, deadLetter: options }))
        await subscription.close()
        assert.equal(await typeOf(`${queue}.dead`), expected)
      }))
  }

  test('of two consumers that make a dead-letter queue of two types at once the later takes the other as it is', () =>
    place(async (at) => {
      const { queue, channel } = at
      await channel.assertQueue(queue, { durable: true })
      const types = ['classic', 'quorum', 'classic', 'quorum'] as const
      await Promise.all(types.map((type) => opened(at.subscribe({ create: {}, deadLetter: { type } }))))
      assert.match(await typeOf(`${queue}.dead`), /^(classic|quorum)$/)
    }))

  test('a dead-letter queue that is there is taken as it is, whatever its type', () =>
    place(async (at) => {
      const { queue, channel, backend } = at
      await channel.assertQueue(`${queue}.dead`, { durable: true, arguments: { 'x-queue-type': 'classic' } })
      const create = { queue: { type: 'quorum' }, bindings: [{ exchange: at.name }] } as const
      const subscription = await opened(at.subscribe({ create, deadLetter: { type: 'quorum' } }))
      await publishTo(backend, wireEvents(1))
      const [delivery] = await take(subscription, 1)
      await delivery?.deadLetter({ consumer: 'billing', error: new Error('no'), attempts: 1 })
      assert.equal((await at.deadLetters()).length, 1)
    }))

  test('a dead-letter queue that does not take the message keeps it in hand', () =>
    place(async (at) => {
      const { name, backend, channel } = at
      const dead = `${name}.full`
      await channel.assertQueue(dead, { arguments: { 'x-max-length': 0, 'x-overflow': 'reject-publish' } })
      const subscription = await opened(at.subscribe({ deadLetter: { queue: dead } }))
      await publishTo(backend, wireEvents(1))
      const [delivery] = await take(subscription, 1)
      const reason = { consumer: 'billing', error: new Error('no'), attempts: 1 }
      await assert.rejects(async () => delivery?.deadLetter(reason), { code: 'SEND_OUTAGE' })
      await channel.deleteQueue(dead)
      await assert.rejects(async () => delivery?.deadLetter(reason), { code: 'SEND_OUTAGE' })
      await channel.assertQueue(dead)
      await delivery?.deadLetter(reason)
      assert.equal((await channel.checkQueue(dead)).messageCount, 1)
    }, 'full'))

  test('a message whose headers leave no room for ours is a dead letter without the largest, and the next goes on', () =>
    place(async (at) => {
      const subscription = await opened(at.subscribe())
      const huge = { small: 'kept', large: 'x'.repeat(65_000) }
      at.channel.publish(at.name, 'key', Buffer.from('poison'), { contentType: 'text/plain', headers: huge })
      await at.channel.waitForConfirms()
      const events = wireEvents(3, 1)
      await publishTo(at.backend, events)
      const [poison, ...good] = await take(subscription, 4)
      await poison?.deadLetter({ consumer: 'billing', error: new Error('x'.repeat(3_000)), attempts: 1 })
      assert.deepEqual(idsOf(good), publishedIds(events))
      await acknowledgeAll(good)
      const letter = await at.channel.get(`${at.queue}.dead`, { noAck: true })
      assert.ok(letter)
      const { small, large, 'broadcaster-left-out': leftOut } = letter.properties.headers ?? {}
      assert.deepEqual([small, large, leftOut, letter.content.toString()], ['kept', undefined, 'large', 'poison'])
      assert.deepEqual(idsOf(await takeFor(subscription, 300)), [])
    }))

  test('a dead letter goes to its queue alone, whatever queues the headers of the message name', () =>
    place(async (at) => {
      const subscription = await opened(at.subscribe())
      // CC names queues that the message goes to, too: here the consumer's own.
      at.channel.publish(at.name, 'key', Buffer.from('poison'), { headers: { CC: [at.queue] } })
      const [delivery, ...more] = await take(subscription, 1)
      assert.deepEqual(more, [])
      await delivery?.deadLetter({ consumer: 'billing', error: new Error('no'), attempts: 1 })
      assert.deepEqual(await takeFor(subscription, 500), [])
      const letter = await at.channel.get(`${at.queue}.dead`, { noAck: true })
      assert.ok(letter)
      const { CC, 'broadcaster-CC': kept } = letter.properties.headers ?? {}
      assert.deepEqual([CC, kept], [undefined, [at.queue]])
    }))

  test("a message with a user's id can be given up by anybody, and the dead letter says whose it was", () =>
    place(async (at) => {
      const subscription = await opened(at.subscribe())
      const userId = decodeURIComponent(new URL(backendUrl()).username) || 'guest'
      at.channel.publish(at.name, 'key', Buffer.from('poison'), {
        contentType: 'text/plain',
        userId,
        expiration: '60000',
      })
      const [delivery] = await take(subscription, 1)
      const reason = { consumer: 'billing', error: new Error('no'), attempts: 1 }
      await delivery?.deadLetter(reason)
      const letter = await at.channel.get(`${at.queue}.dead`, { noAck: true })
      assert.ok(letter)
      assert.equal(letter.properties.userId, undefined)
      assert.equal(letter.properties.expiration, undefined, 'a dead letter does not end by itself')
      assert.equal(letter.properties.headers?.['broadcaster-user-id'], userId)
      // RabbitMQ takes a user's id from that user alone: it closes the channel of anybody else.
      const model = await connect(backendUrl())
      try {
        const channel = await model.createConfirmChannel()
        channel.on('error', () => undefined)
        const { fields, content } = letter
        const properties = { ...letter.properties, userId: 'somebody-else' }
        const message = { content, fields: { ...fields, consumerTag: '' }, properties }
        const queues = { queue: at.queue, deadLetters: `${at.queue}.dead` }
        const again = deadLetterOf(message, queues, reason, 65_536)
        channel.publish('', again.routingKey, again.content, again.properties)
        await channel.waitForConfirms()
      } finally {
        await model.close()
      }
    }))
})

test('rabbitmqSubscription refuses wrong options, all at once, before anything is opened', () => {
  const refused = (options: object): string => {
    try {
      rabbitmqSubscription(options as RabbitMqSubscriptionOptions)
    } catch (error) {
      return String(error)
    }
    return assert.fail('accepted')
  }
  const said = refused({
    queu: 'x',
    prefetch: 0,
    create: { queue: { type: 'lazy' }, bindings: [{ routingKey: '#' }], exchange: 'x' },
    deadLetter: { topic: 'x', type: 'lazy' },
  })
  for (const part of [
    /did you mean "queue"/,
    /prefetch is 0; give a whole number from 1/,
    /create\.queue\.type is "lazy"; give 'quorum' or 'classic'/,
    /create\.bindings\[0\]\.exchange is missing/,
    /create\.exchange is not an option/,
    /deadLetter\.topic is not an option/,
    /deadLetter\.type is "lazy"; give 'quorum' or 'classic'/,
  ]) {
    assert.match(said, part)
  }
})

/** By what RabbitMQ takes for the same queue. */
async function typeOf(queue: string): Promise<string> {
  const kinds = [
    { 'x-queue-type': 'quorum', 'x-delivery-limit': 1_000_000_000 },
    { 'x-queue-type': 'classic' },
  ] as const
  for (const kind of kinds) {
    const model = await connect(backendUrl())
    try {
      const channel = await model.createChannel()
      channel.on('error', () => undefined)
      await channel.checkQueue(queue)
      await channel.assertQueue(queue, { durable: true, arguments: kind })
      return kind['x-queue-type']
    } catch {
      // The other one, or missing.
    } finally {
      await model.close()
    }
  }
  return 'unknown'
}

/** The server itself, past the proxy. */
function backendUrl(): string {
  return servers.rabbitmq()?.url ?? ''
}
