import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { connectAsync } from 'mqtt'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import { type MqttSubscriptionOptions, mqttSubscription } from '../../src/mqtt/mqtt-subscription.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import {
  acknowledgeAll,
  idsOf,
  opened,
  publishedIds,
  take,
  takeFor,
  wireEvents,
} from '../../src/testing/subscription/steps.ts'
import { MosquittoProcess, skipWithoutMosquitto } from '../backend/mosquitto-process.ts'
import { MqttPlace } from '../backend/mqtt-place.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { publishTo } from './publish-to.ts'

interface Place {
  readonly name: string
  /** The way of those that go through it, to be cut. */
  readonly proxy: StoppableProxy
  subscribe(options: Partial<MqttSubscriptionOptions>): Subscription
  publish(events: ReturnType<typeof wireEvents>): Promise<void>
}

describe('mqttSubscription', { skip: skipWithoutMosquitto() }, () => {
  let server: MosquittoProcess
  before(async () => {
    server = await MosquittoProcess.start()
    const rights = server.write('acl', 'topic readwrite #\ntopic deny secret/#\n')
    await server.stop()
    await server.start(`acl_file ${rights}`)
  })
  after(() => server?.remove())

  async function place(work: (place: Place) => Promise<void>): Promise<void> {
    const name = `t${randomBytes(6).toString('hex')}`
    const backend = mqtt({ url: server.url, topic: `${name}/{type}` })
    const proxy = await StoppableProxy.to(server.port)
    const made: Subscription[] = []
    try {
      await work({
        name,
        proxy,
        subscribe(options) {
          const subscription = mqttSubscription({
            url: server.url,
            clientId: `${name}-1`,
            topics: `${name}/#`,
            share: name,
            sessionExpiry: 60,
            ...options,
          })
          made.push(subscription)
          return subscription
        },
        publish: (events) => publishTo(backend, events),
      })
    } finally {
      for (const subscription of made) await subscription.close()
      await backend.close()
      await proxy.stop()
    }
  }

  test('what a process that is gone held comes again when its name returns, in order, with what came meanwhile', () =>
    place(async ({ subscribe, publish, proxy }) => {
      const gone = await opened(subscribe({ url: `mqtt://127.0.0.1:${proxy.port}` }))
      const events = wireEvents(20, 1)
      await publish(events.slice(0, 12))
      const held = await take(gone, 10)
      await acknowledgeAll(held.slice(0, 3))
      await proxy.stop()
      await publish(events.slice(12))
      const back = await opened(subscribe({}))
      const rest = await take(back, 17)
      assert.deepEqual(idsOf(rest), publishedIds(events).slice(3))
      assert.ok(rest.slice(0, 7).every(({ count }) => count === 2))
      assert.equal(rest.at(-1)?.count, 1)
      assert.ok(held.slice(3).every(({ lost }) => lost?.aborted))
      await assert.rejects(async () => held[5]?.acknowledge(), { code: 'CLOSED' })
      await acknowledgeAll(rest)
      await proxy.start()
    }))

  test('two processes of one subscription share the messages; without a share each gets all', () =>
    place(async ({ name, subscribe, publish }) => {
      const shared = [await opened(subscribe({})), await opened(subscribe({ clientId: `${name}-2` }))]
      const whole = await opened(subscribe({ clientId: `${name}-3`, share: false }))
      const events = wireEvents(40)
      await publish(events)
      const parts = await Promise.all(shared.map((each) => takeFor(each, 2_500)))
      assert.ok(parts.every((part) => part.length > 0))
      assert.deepEqual(parts.flatMap(idsOf).toSorted(), publishedIds(events).toSorted())
      assert.deepEqual(idsOf(await take(whole, 40)), publishedIds(events))
    }))

  test('no more than the prefetch is held, and others follow as they are acknowledged', () =>
    place(async ({ subscribe, publish }) => {
      const subscription = await opened(subscribe({ prefetch: 5 }))
      const events = wireEvents(20)
      await publish(events)
      const first = await take(subscription, 5)
      assert.deepEqual(await takeFor(subscription, 300), [])
      const seen = [...idsOf(first)]
      await acknowledgeAll(first)
      while (seen.length < 20) {
        const more = await take(subscription, 1)
        seen.push(...idsOf(more))
        await acknowledgeAll(more)
      }
      assert.deepEqual(seen, publishedIds(events))
    }))

  test('a dead letter that nobody has subscribed to is not given up', () =>
    place(async ({ name, subscribe, publish }) => {
      const dead = `dead-${name}`
      const subscription = await opened(subscribe({ deadLetter: { topic: `${dead}/x` } }))
      await publish(wireEvents(1))
      const [delivery] = await take(subscription, 1)
      const reason = { consumer: 'billing', error: new Error('no'), attempts: 1 }
      await assert.rejects(async () => delivery?.deadLetter(reason), { code: 'SEND_OUTAGE', field: 'deadLetter' })
      const reader = await MqttPlace.make(server.url, dead)
      await delivery?.deadLetter(reason)
      assert.equal((await reader.messages()).length, 1)
      await reader.remove()
    }))

  test('a name that cannot be shared is refused, with what to give', () =>
    place(async ({ subscribe }) => {
      await assert.rejects(opened(subscribe({ share: undefined as never }), 'no/name'), {
        code: 'INVALID_OPTION',
        field: 'share',
      })
    }))

  test('a message so large that its dead letter would be too large is given up with less, and the good ones go on', async () => {
    const limited = await MosquittoProcess.start('max_packet_size 20000')
    const watch = await MqttPlace.make(limited.url, 'bin')
    const publisher = await connectAsync(limited.url, { protocolVersion: 5 })
    const gone = Promise.withResolvers<void>()
    const failed: string[] = []
    const stop = onSignal('delivery.failed', ({ consumer }) => {
      if (consumer === 'careful' && failed.push(consumer) === 3) gone.resolve()
    })
    const handled = Promise.withResolvers<unknown>()
    const consumer = new Consumer({
      name: 'careful',
      subscription: mqttSubscription({
        url: limited.url,
        clientId: 'careful-1',
        topics: 'in/#',
        deadLetter: { topic: 'bin/letters' },
      }),
      inbox: false,
      handlers: { '*': (event) => handled.resolve(event.data) },
    })
    try {
      await consumer.start()
      const userProperties = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`p${n}`, 'v'.repeat(323)]))
      await publisher.publishAsync('in/a', 'no event', { qos: 1, properties: { userProperties } })
      await publisher.publishAsync('in/b', 'x'.repeat(19_950), { qos: 1 })
      await publisher.publishAsync('in/c', 'y'.repeat(19_000), {
        qos: 1,
        properties: { userProperties: { one: 'o'.repeat(900), two: 'two' } },
      })
      await publisher.publishAsync(
        'in/d',
        JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', data: 7 }),
        {
          qos: 1,
        },
      )
      assert.equal(await handled.promise, 7)
      await gone.promise
      const letters = await watch.messages()
      assert.equal(letters.length, 3, 'each once')
      const [properties, payload, both] = letters.map((letter) => ({
        text: String(letter.payload),
        user: { ...letter.properties?.userProperties },
      }))
      assert.equal(properties?.text, 'no event')
      assert.equal(properties?.user['broadcaster-topic'], 'in/a')
      assert.match(String(properties?.user['broadcaster-left-out']), /^p\d+/)
      assert.ok(Object.keys(properties?.user ?? {}).length > 50, 'no more than has to go')
      assert.equal(payload?.user['broadcaster-truncated'], '19950')
      assert.ok((payload?.text.length ?? 0) > 19_500)
      assert.equal(both?.text, 'y'.repeat(19_000))
      assert.equal(both?.user['broadcaster-left-out'], 'one')
      assert.equal(both?.user['two'], 'two')
    } finally {
      stop()
      await consumer.stop()
      await publisher.endAsync(true)
      await watch.remove()
      await limited.remove()
    }
  })

  test('a server that says goodbye and leaves the connection open is left, and what comes meanwhile is received', () =>
    place(async ({ proxy, subscribe, publish }) => {
      const subscription = await opened(subscribe({ url: `mqtt://127.0.0.1:${proxy.port}` }))
      const events = wireEvents(4, 1)
      await publish(events.slice(0, 2))
      await acknowledgeAll(await take(subscription, 2))
      proxy.silence('both')
      const received = subscription.receive(1, AbortSignal.timeout(20_000))
      // DISCONNECT: use another server.
      proxy.say(Buffer.from([0xe0, 2, 0x9c, 0]))
      await assert.rejects(received, { code: 'SEND_OUTAGE' })
      proxy.silence(false)
      await publish(events.slice(2))
      const rest = await take(subscription, 2)
      assert.deepEqual(idsOf(rest), publishedIds(events).slice(2))
      await acknowledgeAll(rest)
    }))

  test('a server that lost the session tells of a gap', async () => {
    const forgetful = await MosquittoProcess.start('persistence false')
    const gaps: unknown[] = []
    const subscription = mqttSubscription({ url: forgetful.url, clientId: 'gap-1', topics: 'gap/#' })
    try {
      const onGap = ({ code }: { readonly code: string }) => void gaps.push(code)
      await subscription.open({ consumer: 'gap', onGap }, AbortSignal.timeout(10_000))
      await forgetful.kill()
      await assert.rejects(subscription.receive(1, AbortSignal.timeout(10_000)), { code: 'SEND_OUTAGE' })
      await forgetful.start()
      await subscription.receive(1, AbortSignal.timeout(500))
      assert.deepEqual(gaps, ['MESSAGES_MISSED'])
    } finally {
      await subscription.close()
      await forgetful.remove()
    }
  })

  test('a server that says nothing is an outage in bounded time', () =>
    place(async ({ subscribe, proxy }) => {
      proxy.silence('both')
      const subscription = subscribe({ url: `mqtt://127.0.0.1:${proxy.port}`, connectTimeout: 500 })
      await assert.rejects(opened(subscription), { code: 'SEND_OUTAGE' })
      proxy.silence(false)
    }))
})

test('mqttSubscription refuses wrong options, all at once, before anything is opened', () => {
  const refused = (options: object): string => {
    try {
      mqttSubscription(options as MqttSubscriptionOptions)
    } catch (error) {
      return String(error)
    }
    return assert.fail('accepted')
  }
  const said = refused({
    topic: 'x',
    topics: ['a/#/b'],
    share: 'a/b',
    prefetch: 0,
    deadLetter: { queue: 'x', topic: '#' },
  })
  for (const part of [
    /did you mean "topics"/,
    /topics is \["a\/#\/b"\]; give a topic/,
    /clientId is missing; give a name for this process/,
    /share is "a\/b"; give a name without \/ \+ and #, or false/,
    /prefetch is 0; give/,
    /deadLetter\.queue is not an option/,
    /deadLetter\.topic is "#"; give a topic without wildcards/,
  ]) {
    assert.match(said, part)
  }
})
