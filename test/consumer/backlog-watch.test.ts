import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backlogWatch } from '../../src/consumer/backlog-watch.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { prometheus } from '../../src/prometheus/prometheus.ts'
import { onSignal, SignalSource } from '../../src/telemetry/signals.ts'

const event = { specversion: '1.0', id: '1', source: '/orders', type: 'order.created' } as const

test('a consumer tells what its broker holds, and at its end that it is not known any more', async () => {
  const metrics = prometheus([])
  const subscription = memorySubscription()
  const handling = Promise.withResolvers<void>()
  const heard = Promise.withResolvers<number | null>()
  const stop = onSignal('consumer.backlog', ({ consumer, messages }) => {
    if (consumer === 'counted') heard.resolve(messages)
  })
  try {
    subscription.deliver(event, { ...event, id: '2' })
    const consumer = new Consumer({
      ...{ name: 'counted', subscription, inbox: false },
      handlers: { '*': () => handling.promise },
    })
    await consumer.start()
    assert.equal(await heard.promise, 2)
    assert.match(await metrics.metrics(), /^broadcaster_consumer_backlog_messages\{consumer="counted"\} 2$/m)
    handling.resolve()
    await consumer.stop()
    assert.match(await metrics.metrics(), /^broadcaster_consumer_backlog_messages\{consumer="counted"\} NaN$/m)
  } finally {
    stop()
    metrics.close()
  }
})

test('a broker that does not answer, or says no, is not known; nobody is asked while nobody listens', async () => {
  let asked = 0
  const answers: (() => Promise<number | undefined>)[] = [
    async () => 0,
    () => Promise.reject(new Error('no')),
    async () => undefined,
    async () => 5,
  ]
  const subscription = { description: 'x', backlog: () => answers[asked++ % 4]?.() } as unknown as Subscription
  const watching = (): ReturnType<typeof backlogWatch> => backlogWatch('w', subscription, new SignalSource('w'), 1)
  const unheard = watching()
  const running = unheard.run()
  await new Promise((resolve) => setTimeout(resolve, 20))
  unheard.stop()
  await running
  assert.equal(asked, 0)

  const found: (number | null)[] = []
  const enough = Promise.withResolvers<void>()
  const stop = onSignal('consumer.backlog', ({ consumer, messages }) => {
    if (consumer === 'w' && found.push(messages) === 4) enough.resolve()
  })
  const watch = watching()
  const watched = watch.run()
  await enough.promise
  watch.stop()
  await watched
  stop()
  assert.deepEqual(found.slice(0, 4), [0, null, null, 5])
  assert.equal(found.at(-1), null)

  const silent = { description: 'x', backlog: () => new Promise(() => undefined) } as unknown as Subscription
  const hanging = backlogWatch('h', silent, new SignalSource('h'), 1)
  const stopHearing = onSignal('consumer.backlog', () => undefined)
  const hung = hanging.run()
  hanging.stop()
  await hung
  stopHearing()
})
