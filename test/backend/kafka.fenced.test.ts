import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Backend, SendContext, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { type KafkaOptions, kafka } from '../../src/kafka/kafka.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { skipWithoutJars } from '../support/jars.ts'
import { KafkaProcess } from './kafka-process.ts'
import { createTopic, readEvents, servesProducers, servesTopic, topicName } from './kafka-topic.ts'

const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
/** As a worker tells it that owns every lane under this fence. */
const under = (fence: number): SendContext => ({
  mayBegin: () => true,
  ownerOf: (event) => ({ lane: laneOf.get(event) ?? 0, fence }),
})
const laneOf = new WeakMap<OutgoingEvent, number>()
const event = (id: string, lane = 0, partitionKey: string | undefined = 'k') => {
  const made = sampleEvent({ eventId: id, lane, partitionKey: partitionKey ?? null })
  laneOf.set(made, lane)
  return made
}

describe('kafka({ fenced })', { skip: skipWithoutJars('kafka') }, () => {
  let server: KafkaProcess
  before(async () => {
    server = await KafkaProcess.start()
    await servesProducers(server.address)
  })
  after(() => server?.remove())

  /** Two workers with the same configuration. */
  async function workers(
    options: KafkaOptions,
    work: (one: Backend, other: Backend, read: () => Promise<readonly unknown[]>) => Promise<void>,
  ): Promise<void> {
    const topic = topicName()
    await createTopic(server.address, topic)
    await servesTopic(server.address, topic)
    const made = [0, 1].map(() => kafka({ bootstrapServers: server.address, topic, timeout: 5_000, ...options }))
    const [one, other] = made
    try {
      assert.ok(one && other)
      await work(one, other, async () =>
        (await readEvents(server.address, topic)).map(({ attributes }) => attributes['id']),
      )
    } finally {
      for (const backend of made) await backend.close()
    }
  }
  const sendKind = async (backend: Backend, id: string, fence: number, lane = 0) =>
    kindOf((await backend.send([event(id, lane)], never, under(fence)))[0])

  test('what the former owner of a lane sends late is refused, costs nothing, and is not in the log', () =>
    workers({ fenced: true }, async (frozen, next, read) => {
      assert.equal(await sendKind(frozen, '1', 1), 'ok')
      assert.equal(await sendKind(next, '2', 2), 'ok')
      assert.equal(await sendKind(frozen, 'late', 1), 'not-attempted')
      assert.deepEqual(await read(), ['1', '2'])
      // When it owns the lane again, it is the other one that is late.
      assert.equal(await sendKind(frozen, '3', 3), 'ok')
      assert.equal(await sendKind(next, 'late', 2), 'not-attempted')
      assert.deepEqual(await read(), ['1', '2', '3'])
    }))

  test('the control: without it the late send stands behind what came later', () =>
    workers({}, async (frozen, next, read) => {
      assert.equal(await sendKind(frozen, '1', 1), 'ok')
      assert.equal(await sendKind(next, '2', 2), 'ok')
      assert.equal(await sendKind(frozen, 'late', 1), 'ok')
      assert.deepEqual(await read(), ['1', '2', 'late'])
    }))

  test('the other lanes of a worker that lost one are not touched', () =>
    workers({ fenced: true }, async (one, other, read) => {
      assert.equal(await sendKind(one, 'a', 1, 7), 'ok')
      assert.equal(await sendKind(other, 'b', 2, 8), 'ok')
      assert.equal(await sendKind(one, 'c', 1, 7), 'ok')
      assert.equal(await sendKind(other, 'd', 2, 8), 'ok')
      assert.deepEqual((await read()).length, 4)
    }))

  test('a lane that is lost and taken back has a new epoch, though nobody wrote in between', () =>
    workers({ fenced: true }, async (one, other, read) => {
      assert.equal(await sendKind(one, '1', 1), 'ok')
      // The other one took the lane, and was frozen before it wrote.
      assert.equal(await sendKind(other, 'elsewhere', 2, 0), 'ok')
      assert.equal(await sendKind(one, '2', 3), 'ok')
      assert.equal(await sendKind(other, 'late', 2), 'not-attempted')
      assert.deepEqual(await read(), ['1', 'elsewhere', '2'])
    }))

  test('a send that was cut short while it asked for its epoch writes nothing', () =>
    workers({ fenced: true }, async (one, _other, read) => {
      const stop = new AbortController()
      const sending = one.send([event('cut')], stop.signal, under(1))
      stop.abort()
      assert.notEqual(kindOf((await sending)[0]), 'ok')
      const [next] = await one.send([event('next')], never, under(1))
      assert.equal(kindOf(next), 'ok', String(next?.ok === false && next.error))
      assert.deepEqual(await read(), ['next'])
    }))

  test('two outboxes with one name are told, before long', () =>
    workers({ fenced: 'orders' }, async (one, other) => {
      const kinds: unknown[] = []
      for (let n = 0; n < 6; n++) {
        kinds.push(await sendKind(one, `a${n}`, 1))
        kinds.push(await sendKind(other, `b${n}`, 1))
      }
      assert.ok(kinds.includes('outage'), kinds.join(', '))
    }))

  test('many lanes at once, many events of each: all arrive, those of a key in order', () =>
    workers({ fenced: true, mode: 'binary', compression: 'gzip' }, async (backend, _other, read) => {
      const events = sampleEvents(3_000, 100).map((each, n) => event(String(n), (n % 100) % 64, each.partitionKey))
      const results = await backend.send(events, never, under(1))
      assert.deepEqual([...new Set(results.map(kindOf))], ['ok'])
      const arrived = (await read()).map(Number)
      assert.equal(arrived.length, events.length)
      for (let key = 0; key < 100; key++) {
        const own = arrived.filter((n) => n % 100 === key)
        assert.deepEqual(
          own,
          own.toSorted((a, b) => a - b),
        )
      }
    }))

  test('without the lanes that a worker tells nothing is sent', () =>
    workers({ fenced: true }, async (backend) => {
      assert.equal(kindOf((await backend.send([event('x')], never))[0]), 'outage')
    }))
})
