import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { BroadcasterError } from '../../src/errors.ts'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { rabbitmqSubscription } from '../../src/rabbitmq/rabbitmq-subscription.ts'
import { sampleEvents } from '../../src/testing/sample-events.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { RabbitMqPlace } from './rabbitmq-place.ts'
import { freePort } from './redis-process.ts'
import { StoppableProxy } from './stoppable-proxy.ts'

const skip = skipWithout('rabbitmq')
const never = new AbortController().signal

/** Several urls: two ways to one server stand for two nodes of a cluster. A real cluster is in `faults/clusters/rabbitmq`. */
describe('rabbitmq: several nodes', { skip }, () => {
  const url = servers.rabbitmq()?.url ?? ''
  let place: RabbitMqPlace
  let one: StoppableProxy
  let other: StoppableProxy
  const through = ({ port }: { readonly port: number }): string => {
    const way = new URL(url)
    way.port = String(port)
    return way.href
  }
  before(async () => {
    if (skip !== false) return
    place = await RabbitMqPlace.make(url)
    const port = Number(new URL(url).port || 5672)
    one = await StoppableProxy.to(port)
    other = await StoppableProxy.to(port)
  })
  after(async () => {
    await Promise.all([place?.remove(), one?.stop(), other?.stop()])
  })

  async function sent(backend: ReturnType<typeof rabbitmq>): Promise<boolean> {
    return (await backend.send(sampleEvents(1), never)).every(({ ok }) => ok)
  }

  test('one that refuses is passed over at once, and what was lost is left for the next', async () => {
    const nobody = { port: await freePort() }
    const backend = rabbitmq({
      url: [nobody, one, other].map(through),
      exchange: place.name,
      routingKey: 'events',
    })
    try {
      assert.equal(await sent(backend), true)
      assert.deepEqual([one.connections, other.connections], [1, 0])
      one.cut()
      while (!(await sent(backend)));
      assert.deepEqual([one.connections, other.connections], [0, 1])
      other.cut()
      // Round again, past the one that nobody listens at.
      while (!(await sent(backend)));
      assert.deepEqual([one.connections, other.connections], [1, 0])
    } finally {
      await backend.close()
    }
  })

  test('one that is silent is left: in the middle of a send, and when it is connected to', async () => {
    const backend = rabbitmq({
      url: [through(one), through(other)],
      exchange: place.name,
      routingKey: 'events',
      connectTimeout: 2_000,
      timeout: 500,
    })
    try {
      assert.equal(await sent(backend), true)
      one.silence('both')
      while (!(await sent(backend)));
      assert.equal(other.connections, 1)
      other.silence('both')
      // Both are silent now: nothing is sent, in bounded time, and the turn goes round.
      assert.equal(await sent(backend), false)
      assert.equal(await sent(backend), false)
      one.silence(false)
      while (!(await sent(backend)));
    } finally {
      one.silence(false)
      other.silence(false)
      await backend.close()
    }
  })

  test('a subscription goes on at the next node', async () => {
    const queue = `${place.name}-nodes`
    const subscription = rabbitmqSubscription({
      url: [through(one), through(other)],
      queue,
      create: { queue: { type: 'classic' }, bindings: [{ exchange: place.name, routingKey: 'more' }] },
    })
    const backend = rabbitmq({ url, exchange: place.name, routingKey: 'more' })
    const next = async (): Promise<void> => {
      for (;;) {
        const received = await subscription.receive(10, never).catch(() => [])
        for (const delivery of received) await delivery.acknowledge()
        if (received.length > 0) return
      }
    }
    try {
      await subscription.open({ consumer: 'c' }, never)
      assert.equal(await sent(backend), true)
      await next()
      assert.deepEqual([one.connections, other.connections], [1, 0])
      one.cut()
      assert.equal(await sent(backend), true)
      await next()
      assert.deepEqual([one.connections, other.connections], [0, 1])
    } finally {
      await subscription.close()
      await backend.close()
      await place.channel.deleteQueue(queue)
      await place.channel.deleteQueue(`${queue}.dead`)
    }
  })
})

test('rabbitmq: a list of urls is checked as one url is, and tells no password', () => {
  for (const url of [[], [''], ['amqp://a', 'http://u:hunter2@b'], [undefined], ['amqp://a?x=1']]) {
    for (const make of [rabbitmq, rabbitmqSubscription]) {
      assert.throws(
        () => make({ url: url as string[] }),
        (error) => error instanceof BroadcasterError && error.field === 'url' && !/hunter2/.test(error.message),
      )
    }
  }
  assert.throws(() => rabbitmq({ url: ['amqp://a'], port: 1 }), /port has no effect beside url/)
})
