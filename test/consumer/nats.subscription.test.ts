import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { natsJetStream } from '../../src/nats/nats.ts'
import { type NatsJetStreamSubscriptionOptions, natsJetStreamSubscription } from '../../src/nats/nats-subscription.ts'
import {
  acknowledgeAll,
  idsOf,
  opened,
  publishedIds,
  take,
  takeFor,
  wireEvents,
} from '../../src/testing/subscription/steps.ts'
import { NatsProcess, skipWithoutNatsServer } from '../backend/nats-process.ts'
import { withManager } from '../backend/nats-stream.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { publishTo } from './publish-to.ts'

interface Place {
  readonly stream: string
  subscribe(options?: Partial<NatsJetStreamSubscriptionOptions>): Subscription
  publish(events: ReturnType<typeof wireEvents>): Promise<void>
}

describe('natsJetStreamSubscription', { skip: skipWithoutNatsServer() }, () => {
  let server: NatsProcess
  before(async () => {
    server = await NatsProcess.start()
  })
  after(() => server?.remove())

  async function place(work: (place: Place) => Promise<void>): Promise<void> {
    const stream = `S_${randomBytes(4).toString('hex')}`
    const made: Subscription[] = []
    const backend = natsJetStream({
      url: server.url,
      stream: { name: stream, create: true, subjects: [`${stream}.>`] },
      subject: `${stream}.{type}`,
    })
    await backend.connect?.(AbortSignal.timeout(5_000))
    try {
      await work({
        stream,
        subscribe(options = {}) {
          const at = options.client ? {} : { url: server.url }
          const subscription = natsJetStreamSubscription({ ...at, stream, ackWait: 1_000, ...options })
          made.push(subscription)
          return subscription
        },
        publish: (events) => publishTo(backend, events),
      })
    } finally {
      for (const subscription of made) await subscription.close()
      await backend.close()
    }
  }

  test('what a consumer without a sign of life held comes to the next one, in order', () =>
    place(async ({ subscribe, publish }) => {
      const client = await connect({ servers: server.url, reconnect: false })
      const dying = await opened(subscribe({ client }))
      const events = wireEvents(20, 1)
      await publish(events)
      const held = await take(dying, 12)
      await acknowledgeAll(held.slice(0, 2))
      // Cut off: it can give nothing back.
      await client.close()
      const next = await opened(subscribe())
      const rest = await take(next, 8)
      assert.deepEqual(idsOf(rest), publishedIds(events).slice(12), 'what nobody had comes at once')
      const again = await take(next, 10)
      assert.deepEqual(idsOf(again), publishedIds(events).slice(2, 12), 'the rest when its time is over')
      assert.ok(again.every(({ count }) => count === 2))
      await acknowledgeAll([...rest, ...again])
      // Who was cut off is told.
      for (const { lost } of held.slice(2)) {
        assert.ok(lost)
        if (!lost.aborted) await new Promise((resolve) => lost.addEventListener('abort', resolve))
      }
      await assert.rejects(async () => held[5]?.acknowledge(), { code: 'CLOSED' })
    }))

  test('a dead letter that cannot be acknowledged is lost here, and comes again', () =>
    place(async ({ stream, subscribe, publish }) => {
      const client = await connect({ servers: server.url })
      const flush = client.flush.bind(client)
      const { publish: tell } = client
      let losing = false
      let lost = false
      // The next acknowledgement is lost, with the round trip that would prove it.
      client.publish = (subject, data, ...rest) => {
        lost ||= losing && data?.toString() === '+ACK'
        if (!lost) tell.call(client, subject, data, ...rest)
      }
      client.flush = () => {
        if (!lost) return flush()
        lost = losing = false
        return Promise.reject(new Error('connection lost'))
      }
      const subscription = await opened(subscribe({ client }))
      const events = wireEvents(2, 1)
      await publish(events)
      const [first, second] = await take(subscription, 2)
      await second?.acknowledge()
      const reason = { consumer: 'billing', error: new Error('no'), attempts: 1 }
      losing = true
      await assert.rejects(async () => first?.deadLetter(reason), { code: 'SEND_OUTAGE' })
      assert.equal(first?.lost?.aborted, true, 'who holds it knows')
      const again = await take(subscription, 1)
      assert.deepEqual(idsOf(again), publishedIds(events).slice(0, 1))
      await again[0]?.deadLetter(reason)
      const left = await withManager(server.url, (manager) => manager.consumers.info(stream, 'billing'))
      assert.equal(left.num_ack_pending, 0)
      await subscription.close()
      await client.close()
    }))

  test('a short outage takes nothing back, a long one all', () =>
    place(async ({ subscribe, publish }) => {
      const subscription = await opened(subscribe({ ackWait: 4_000 }))
      const events = wireEvents(6, 1)
      await publish(events)
      const held = await take(subscription, 6)
      await server.stop()
      await subscription.receive(1, AbortSignal.timeout(2_000)).catch(() => [])
      await server.start()
      assert.deepEqual(idsOf(await takeFor(subscription, 5_500)), [], 'signs of life go on over the new connection')
      await acknowledgeAll(held.slice(0, 3))
      await server.stop()
      // All but one are told to be lost while the server is away.
      await new Promise((resolve) => held[3]?.lost?.addEventListener('abort', resolve))
      await server.start()
      const again = await take(subscription, 3)
      assert.deepEqual(idsOf(again), publishedIds(events).slice(3))
      await acknowledgeAll(again)
    }))

  test('what a long outage took comes again in order, the latest too, and before what is newer', () =>
    place(async ({ subscribe, publish }) => {
      const subscription = await opened(subscribe())
      const events = wireEvents(8, 1)
      await publish(events.slice(0, 3))
      const held = [...(await take(subscription, 3))]
      // The next sign of life for the first three is long ago when these come.
      await new Promise((resolve) => setTimeout(resolve, 250))
      await publish(events.slice(3, 6))
      held.push(...(await take(subscription, 3)))
      await server.kill()
      await new Promise((resolve) => held[0]?.lost?.addEventListener('abort', resolve))
      await Promise.resolve()
      assert.ok(
        held.every(({ lost }) => lost?.aborted),
        'a later one of the key must not be handled before the first',
      )
      await server.start()
      await publish(events.slice(6))
      const again = await take(subscription, 8)
      assert.deepEqual(idsOf(again), publishedIds(events))
      await acknowledgeAll(again)
    }))

  for (const meanwhile of [0, 100]) {
    test(`a clean close hides nothing for ackWait, ${meanwhile ? 'not even what comes meanwhile' : 'of what was in hand'}`, () =>
      place(async ({ subscribe, publish }) => {
        const patient = { ackWait: 60_000 }
        const first = await opened(subscribe(patient))
        const events = wireEvents(200, 1)
        await publish(events.slice(0, 50))
        await acknowledgeAll((await take(first, 50)).slice(0, 10))
        const waiting = first.receive(500, AbortSignal.timeout(20_000))
        await publish(events.slice(50, 51))
        // A request stands now, with room for more.
        assert.equal((await waiting).length, 1)
        const closing = first.close()
        for (let at = 51; at < 51 + meanwhile; at += 10) await publish(events.slice(at, at + 10))
        await closing
        await publish(events.slice(51 + meanwhile))
        const rest = await take(await opened(subscribe(patient)), 190)
        assert.deepEqual(idsOf(rest), publishedIds(events).slice(10))
        assert.ok(rest.every(({ count }) => count <= 2))
        await acknowledgeAll(rest)
      }))
  }

  test('a durable consumer of another kind or filter is refused, with what to do', () =>
    place(async ({ stream, subscribe, publish }) => {
      await opened(subscribe({ durable: 'orders', filterSubject: `${stream}.order.>` }))
      await assert.rejects(opened(subscribe({ durable: 'orders', filterSubject: `${stream}.invoice.>` })), {
        code: 'SEND_OUTAGE',
        field: 'filterSubject',
      })
      await withManager(server.url, (manager) =>
        manager.consumers.add(stream, { durable_name: 'pushed', ack_policy: 'none', deliver_subject: 'somewhere' }),
      )
      await assert.rejects(opened(subscribe({ durable: 'pushed' })), { code: 'SEND_OUTAGE', field: 'durable' })
      await assert.rejects(opened(subscribe(), 'a name.with>'), { code: 'INVALID_OPTION', field: 'durable' })
      await publish(wireEvents(2, 1, { eventType: 'order.paid' }))
      await publish(wireEvents(2, 1, { eventType: 'invoice.paid' }))
      const filtered = await opened(subscribe({ durable: 'orders', filterSubject: `${stream}.order.>` }))
      const taken = await take(filtered, 2)
      assert.deepEqual(await takeFor(filtered, 300), [])
      assert.deepEqual(
        taken.map(({ event }) => event?.attributes['type']),
        ['order.paid', 'order.paid'],
      )
    }))

  test('begins with all that is there, or with what comes', () =>
    place(async ({ subscribe, publish }) => {
      await publish(wireEvents(3))
      const fresh = await opened(subscribe({ durable: 'fresh', start: 'new' }))
      const later = wireEvents(2)
      await publish(later)
      assert.deepEqual(idsOf(await take(fresh, 2)), publishedIds(later))
      assert.equal((await take(await opened(subscribe({ durable: 'whole' })), 5)).length, 5)
    }))

  test('a stream or dead-letter stream that is missing is an outage', () =>
    place(async ({ stream, subscribe }) => {
      await assert.rejects(opened(subscribe({ stream: 'NOWHERE' })), { code: 'SEND_OUTAGE' })
      await assert.rejects(opened(subscribe({ deadLetter: { stream: `${stream}_NOWHERE`, create: false } })), {
        code: 'SEND_OUTAGE',
      })
    }))

  test('who has begun receives again without the stream of dead letters, which is made again for a letter', () =>
    place(async ({ stream, subscribe, publish }) => {
      const proxy = await StoppableProxy.to(server.port)
      try {
        const subscription = await opened(subscribe({ url: `nats://127.0.0.1:${proxy.port}` }))
        await withManager(server.url, (manager) => manager.streams.delete(`${stream}_DEAD`))
        proxy.cut()
        const events = wireEvents(1)
        await publish(events)
        const [first] = await take(subscription, 1)
        await assert.rejects(
          withManager(server.url, (manager) => manager.streams.info(`${stream}_DEAD`)),
          /not found/,
          'nobody asked for it meanwhile',
        )
        const reason = { consumer: 'billing', error: new Error('no'), attempts: 1 }
        await assert.rejects(async () => first?.deadLetter(reason))
        await first?.deadLetter(reason)
        const { state } = await withManager(server.url, (manager) => manager.streams.info(`${stream}_DEAD`))
        assert.equal(state.messages, 1)
      } finally {
        await proxy.stop()
      }
    }))

  test('dead letters are kept as the stream itself is', () =>
    place(async ({ stream, subscribe }) => {
      const name = `${stream}_MEMORY`
      await withManager(server.url, (manager) =>
        manager.streams.add({ name, subjects: [`${name}.>`], storage: 'memory' }),
      )
      await opened(subscribe({ stream: name }))
      const { config } = await withManager(server.url, (manager) => manager.streams.info(`${name}_DEAD`))
      assert.deepEqual([config.storage, config.num_replicas], ['memory', 1])
    }))

  test('a consumer that was deleted is made again', () =>
    place(async ({ stream, subscribe, publish }) => {
      const subscription = await opened(subscribe())
      await publish(wireEvents(1))
      await acknowledgeAll(await take(subscription, 1))
      await withManager(server.url, (manager) => manager.consumers.delete(stream, 'billing'))
      const more = wireEvents(1)
      await publish(more)
      const ids = idsOf(await take(subscription, 2))
      assert.ok(publishedIds(more).every((id) => ids.includes(id)))
    }))

  test('a frozen server is an outage, and nothing is lost by it', () =>
    place(async ({ subscribe, publish }) => {
      const subscription = await opened(subscribe({ timeout: 500, connectTimeout: 500 }))
      await publish(wireEvents(2))
      const [first] = await take(subscription, 1)
      server.freeze()
      try {
        await assert.rejects(async () => first?.acknowledge(), { code: 'SEND_OUTAGE' })
      } finally {
        server.thaw()
      }
      const again = await take(subscription, 1)
      assert.equal(again.length, 1)
    }))

  test('a connection on which nothing is answered is left, with nothing in hand too', () =>
    place(async ({ subscribe, publish }) => {
      const proxy = await StoppableProxy.to(server.port)
      try {
        const subscription = await opened(subscribe({ url: `nats://127.0.0.1:${proxy.port}`, timeout: 500 }))
        assert.deepEqual(await takeFor(subscription, 200), [])
        // New connections are well.
        proxy.freeze()
        const events = wireEvents(2, 1)
        await publish(events)
        assert.deepEqual(idsOf(await take(subscription, 2, { during: 10_000 })), publishedIds(events))
      } finally {
        await proxy.stop()
      }
    }))

  test('a receive that waits for an answer ends with its signal', () =>
    place(async ({ subscribe }) => {
      const proxy = await StoppableProxy.to(server.port)
      try {
        const subscription = await opened(subscribe({ url: `nats://127.0.0.1:${proxy.port}`, timeout: 6_000 }))
        proxy.freeze()
        const started = performance.now()
        assert.deepEqual(await subscription.receive(1, AbortSignal.timeout(300)), [])
        assert.ok(performance.now() - started < 3_000)
      } finally {
        await proxy.stop()
      }
    }))
})

test('natsJetStreamSubscription refuses wrong options, all at once, before anything is opened', () => {
  const refused = (options: object): Error => {
    try {
      natsJetStreamSubscription(options as NatsJetStreamSubscriptionOptions)
    } catch (error) {
      assert.ok(error instanceof Error)
      return error
    }
    return assert.fail('accepted')
  }
  const { message } = refused({
    stream: 'a.b',
    ackWait: 5,
    durabel: 'x',
    filterSubject: 'a..b',
    deadLetter: { topic: 'x' },
  })
  for (const part of [
    /stream is "a.b"; give a name without spaces/,
    /ackWait is 5; give milliseconds from 1000/,
    /did you mean "durable"/,
    /filterSubject is "a..b"; give a subject/,
    /deadLetter.topic is not an option/,
  ]) {
    assert.match(message, part)
  }
  assert.match(refused({ stream: 'S', client: {}, url: 'x' }).message, /client is an object that does not fit/)
})
