import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { OutageError, PermanentError } from '../../src/backend/send-error.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import type { SubscriptionContext } from '../../src/consumer/subscription.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { prometheus } from '../../src/prometheus/prometheus.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { root } from '../project/source-files.ts'
import { skipWithoutPrometheus } from '../support/promtool.ts'
import { PrometheusProcess } from './prometheus-process.ts'

/*
 * The alerts that `drill.test.ts` leaves, in a real Prometheus: each fires when the trouble begins and clears when it is over. Store,
 * backends and broker are this process's own, so that each can be told to fail.
 */

const NAME = 'service'

/** The rules as they stand, judged at once, by seconds, and with thresholds that a test reaches. */
function hasty(rules: string): string {
  return rules
    .replaceAll(/^ +for: .*\n/gm, '')
    .replaceAll(/\[\d+[mh]\]/g, '[2s]')
    .replaceAll(/> (300|1800|10000|10000000)$/gm, '> 1')
}

describe('a drill of the alerts of one service', { skip: skipWithoutPrometheus(), timeout: 240_000 }, () => {
  const closing: (() => unknown)[] = []
  const store = memoryStore({ lanes: 4 }) as Store
  const local = handlers()
  let isAway = false
  local.registry.on(
    '*',
    ({ data }) => {
      if (data === 'bad') throw new PermanentError('refused')
      if (isAway) throw new OutageError('the warehouse is closed')
    },
    { name: 'warehouse' },
  )
  const broadcaster = new Broadcaster({
    name: NAME,
    store,
    backends: { main: memoryBackend(), other: memoryBackend(), local },
    worker: { lease: 1_000, sendTimeout: 500, pollInterval: 100, breaker: { firstProbe: 100, probeInterval: 200 } },
    logger: false,
  })
  let alerts: PrometheusProcess

  const publish = (backend: string, data = '', partitionKey?: string): Promise<unknown> =>
    broadcaster.transaction((tx) =>
      broadcaster.publish(tx, { type: 'a', source: '/drill', data }, { backend, partitionKey }),
    )

  const consumerOf = (name: string, subscription: ReturnType<typeof memorySubscription>, handle = async () => {}) =>
    new Consumer({ name, subscription, inbox: false, handlers: { '*': handle }, logger: false })

  before(async () => {
    closing.push(() => broadcaster.close())
    const metrics = prometheus(broadcaster, { maxAge: 100 })
    closing.push(() => metrics.close())
    const service = createServer(async (_request, response) => {
      response.setHeader('content-type', metrics.contentType).end(await metrics.metrics())
    })
    service.listen(0, '127.0.0.1')
    await once(service, 'listening')
    closing.push(() => service.close().closeAllConnections())
    const address = service.address()
    assert.ok(address !== null && typeof address === 'object')
    const rules = hasty(readFileSync(join(root, 'ops/prometheus/alerts.yaml'), 'utf8'))
    alerts = await PrometheusProcess.start(rules, [`127.0.0.1:${address.port}`])
    closing.push(() => alerts.remove())
    await broadcaster.worker({ backends: ['main', 'local'] }).start()
  })
  after(async () => {
    for (const close of closing.reverse()) await close()
  })

  test('nothing is wrong: none of them fires', async () => {
    await publish('main')
    await alerts.until('BroadcasterNoWorker', false)
    for (const name of ['StoreDown', 'BackendUnserved', 'DestinationDown', 'LagTooGreat', 'StuckTooLong'])
      await alerts.until(`Broadcaster${name}`, false)
  })

  test('the database does not answer, until it does', async () => {
    const { look } = store.admin
    store.admin.look = () => Promise.reject(new BroadcasterError('STORE_UNAVAILABLE', 'no'))
    await alerts.until('BroadcasterStoreDown', true, { outbox: NAME })
    store.admin.look = look
    await alerts.until('BroadcasterStoreDown', false)
  })

  test('no worker serves a backend: its events wait too long, until one does', async () => {
    await publish('other')
    await alerts.until('BroadcasterBackendUnserved', true, { outbox: NAME, backend: 'other' })
    await alerts.until('BroadcasterLagTooGreat', true, { backend: 'other' })
    await broadcaster.worker({ backends: ['other'] }).start()
    await alerts.until('BroadcasterBackendUnserved', false)
    await alerts.until('BroadcasterLagTooGreat', false)
  })

  test('a destination is down, until it is back', async () => {
    isAway = true
    await publish('local')
    await alerts.until('BroadcasterDestinationDown', true, { backend: 'local' })
    isAway = false
    await alerts.until('BroadcasterDestinationDown', false)
  })

  test('an event is held for long behind one that failed, until somebody lets it go', async () => {
    await publish('local', 'bad', 'key')
    await publish('local', 'good', 'key')
    await alerts.until('BroadcasterStuckTooLong', true, { backend: 'local' })
    await broadcaster.admin.skip({ status: 'failed' })
    await alerts.until('BroadcasterStuckTooLong', false)
  })

  test('the inbox is large, until a clean-up', async () => {
    await alerts.until('BroadcasterInboxLarge', false)
    const enter = (id: string) =>
      broadcaster.transaction((tx) => broadcaster.inbox.once(tx, 'billing', { id, source: '/s' }, () => {}))
    for (const id of ['1', '2', '3']) await enter(id)
    await alerts.until('BroadcasterInboxLarge', true, { outbox: NAME })
    await broadcaster.admin.purge({ published: null, failed: null, inbox: 0 })
    await alerts.until('BroadcasterInboxLarge', false)
  })

  test('a consumer gives a message up', async () => {
    const subscription = memorySubscription()
    await using consumer = consumerOf('giving-up', subscription)
    await consumer.start()
    await alerts.until('BroadcasterDeadLetters', false)
    await scraped('broadcaster_deliveries_failed_total{consumer="giving-up"}', 0)
    subscription.deliverUnreadable(new Error('no event'))
    await alerts.until('BroadcasterDeadLetters', true, { consumer: 'giving-up' })
    await alerts.until('BroadcasterDeadLetters', false)
  })

  test('messages are gone that a consumer was not given', async () => {
    const subscription = memorySubscription()
    let lose: SubscriptionContext['onGap']
    subscription.open = async ({ onGap }) => {
      lose = onGap
    }
    await using consumer = consumerOf('late', subscription)
    await consumer.start()
    await scraped('broadcaster_consumer_gaps_total{consumer="late"}', 0)
    lose?.(new BroadcasterError('MESSAGES_MISSED', 'trimmed'))
    await alerts.until('BroadcasterConsumerGap', true, { consumer: 'late' })
    await alerts.until('BroadcasterConsumerGap', false)
  })

  test('messages wait for a consumer, until it has handled them', async () => {
    const subscription = memorySubscription()
    const handling = Promise.withResolvers<void>()
    for (const id of ['1', '2', '3']) subscription.deliver({ specversion: '1.0', id, source: '/s', type: 'a' })
    await using consumer = consumerOf('slow', subscription, () => handling.promise)
    await consumer.start()
    await alerts.until('BroadcasterConsumerBehind', true, { consumer: 'slow' })
    handling.resolve()
    await alerts.until('BroadcasterConsumerBehind', false)
  })

  /** An increase is seen only after a value before it. */
  async function scraped(query: string, value: number): Promise<void> {
    for (const end = Date.now() + 20_000; (await alerts.value(query)) !== value; ) {
      assert.ok(Date.now() < end, `${query} is scraped`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
})
