import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { SubscriptionContext } from '../../src/consumer/subscription.ts'
import type { BroadcasterError } from '../../src/errors.ts'
import { gapWatch } from '../../src/nats/gap-watch.ts'
import { natsJetStream } from '../../src/nats/nats.ts'
import { type NatsJetStreamSubscriptionOptions, natsJetStreamSubscription } from '../../src/nats/nats-subscription.ts'
import { acknowledgeAll, idsOf, publishedIds, take, wireEvents } from '../../src/testing/subscription/steps.ts'
import { NatsProcess, skipWithoutNatsServer } from '../backend/nats-process.ts'
import { withManager } from '../backend/nats-stream.ts'
import { publishTo } from './publish-to.ts'

const never = new AbortController().signal

test('what another process was handed, and a consumer that was made again, are no gap', () => {
  const gaps: unknown[] = []
  const watch = gapWatch('ORDERS')
  watch.begin(({ value }) => void gaps.push(value))
  watch.receive({ deliveries: 10, sequence: 100 }, false)
  watch.receive({ deliveries: 15, sequence: 105 }, false)
  assert.deepEqual(gaps, [], 'four of them went to another process')
  // Made again it begins at the first message, or at the end of the stream.
  watch.receive({ deliveries: 1, sequence: 106 }, false)
  watch.receive({ deliveries: 2, sequence: 107 }, false)
  assert.deepEqual(gaps, [], 'it was made again')
  watch.receive({ deliveries: 4, sequence: 112 }, false)
  assert.deepEqual(gaps, [3], 'the control')
})

describe('natsJetStreamSubscription: what was missed', { skip: skipWithoutNatsServer() }, () => {
  let server: NatsProcess
  before(async () => {
    server = await NatsProcess.start()
  })
  after(() => server?.remove())

  /** A stream that keeps the last 100, or by `config`. */
  async function place(config: Readonly<Record<string, unknown>> = { max_msgs: 100 }) {
    const name = `G_${randomBytes(4).toString('hex')}`
    const stream = { name, create: true, subjects: [`${name}.>`], config }
    const gaps: BroadcasterError[] = []
    const made: { close(): Promise<void> }[] = []
    const backend = natsJetStream({ url: server.url, stream, subject: `${name}.{type}` })
    await backend.connect?.(never)
    return {
      stream: name,
      gaps,
      backend,
      async publish(count: number) {
        const events = wireEvents(count)
        await publishTo(backend, events)
        return events
      },
      async subscribe(options: Partial<NatsJetStreamSubscriptionOptions> = {}) {
        const subscription = natsJetStreamSubscription({ url: server.url, stream: name, ackWait: 1_000, ...options })
        const context: SubscriptionContext = { consumer: 'billing', onGap: (error) => void gaps.push(error) }
        await subscription.open(context, never)
        made.push(subscription)
        return subscription
      },
      async [Symbol.asyncDispose]() {
        for (const each of [...made, backend]) await each.close()
      },
    }
  }

  const fieldsOf = ({ code, value }: BroadcasterError) => ({ code, value })

  test('a consumer that comes too late tells how many are gone', async () => {
    await using at = await place()
    const events = await at.publish(250)
    const taken = await take(await at.subscribe(), 100)
    assert.deepEqual(idsOf(taken), publishedIds(events).slice(150))
    assert.deepEqual(at.gaps.map(fieldsOf), [{ code: 'MESSAGES_MISSED', value: 150 }])
    assert.match(String(at.gaps[0]?.message), /dropped 150 messages before this consumer had read them/)
  })

  test('a consumer that is overtaken tells so, once; one that keeps up has nothing to tell', async () => {
    await using at = await place()
    const subscription = await at.subscribe()
    for (let round = 0; round < 3; round++) {
      await at.publish(60)
      await acknowledgeAll(await take(subscription, 60))
    }
    assert.deepEqual(at.gaps, [], 'what was dropped had been read')
    await at.publish(130)
    const taken = await take(subscription, 100)
    assert.deepEqual(at.gaps.map(fieldsOf), [{ code: 'MESSAGES_MISSED', value: 30 }])
    // Given back, it comes again under the number of another delivery.
    for (const delivery of taken.slice(0, 40)) await delivery.release()
    await acknowledgeAll(taken.slice(40))
    await acknowledgeAll(await take(subscription, 40))
    await at.publish(110)
    await acknowledgeAll(await take(subscription, 100))
    assert.deepEqual(at.gaps.slice(1).map(fieldsOf), [{ code: 'MESSAGES_MISSED', value: 10 }])
  })

  test('what was dropped while no process ran is found by a look at the stream, and told by the next one', async () => {
    await using at = await place()
    await at.publish(50)
    const first = await at.subscribe()
    await acknowledgeAll(await take(first, 50))
    await first.close()
    const findings = async () =>
      (await at.backend.findings?.(AbortSignal.timeout(5_000)))?.map(({ message }) => message)
    await at.publish(100)
    assert.deepEqual(await findings(), [], 'all that it has not read is there')
    await at.publish(20)
    assert.deepEqual(await findings(), [
      `messages of the stream ${at.stream} were dropped before the consumer billing had read them: 20`,
    ])
    const next = await at.subscribe()
    await acknowledgeAll(await take(next, 100))
    assert.deepEqual(at.gaps.map(fieldsOf), [{ code: 'MESSAGES_MISSED', value: 20 }])
  })

  for (const { title, config, options } of [
    { title: 'a consumer of some subjects', config: { max_msgs: 100 }, options: { filterSubject: '*.other' } },
    { title: 'a consumer that begins with what comes', config: { max_msgs: 100 }, options: { start: 'new' as const } },
    { title: 'the next consumer of a work queue', config: { retention: 'workqueue' }, options: {} },
  ]) {
    test(`${title} takes nothing that is not for it for a gap`, async () => {
      await using at = await place(config)
      const { stream } = at
      const filter = options.filterSubject?.replace('*', stream)
      if (config.retention !== undefined) {
        const before = await at.subscribe()
        await at.publish(20)
        await acknowledgeAll(await take(before, 20))
        await before.close()
        await withManager(server.url, (manager) => manager.consumers.delete(stream, 'billing'))
      } else await at.publish(150)
      const subscription = await at.subscribe({
        ...options,
        ...(filter === undefined ? {} : { filterSubject: filter }),
      })
      for (let round = 0; round < 2; round++) {
        await at.publish(5)
        if (filter !== undefined) {
          await withManager(server.url, (manager) => manager.jetstream().publish(`${stream}.other`, 'no event'))
        }
        const count = filter === undefined ? 5 : 1
        assert.equal((await take(subscription, count)).length, count)
      }
      assert.deepEqual(at.gaps, [])
    })
  }
})
