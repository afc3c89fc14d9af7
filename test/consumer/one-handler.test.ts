import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import type { CloudEvent } from '../../src/event/cloud-event.ts'
import type { DeliveryEvent } from '../../src/event/delivery-event.ts'
import type { HandlerContext } from '../../src/handlers/handler.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { type MemoryTransaction, memoryStore } from '../../src/store/memory/memory.ts'

/** All that a handler can read of its event, and of where it runs. */
function seenBy(event: DeliveryEvent, { attempt, deliveries, signal }: HandlerContext<MemoryTransaction>) {
  const { id, source, type, subject, time, dataContentType, dataSchema, partitionKey, extensions, data } = event
  const names = { id, source, type, subject, time, dataContentType, dataSchema, partitionKey, extensions, data }
  const texts = { text: String(event), shown: inspect(event), attempt, deliveries, aborted: signal.aborted }
  return { ...names, ...texts, cloudEvent: event.toCloudEvent() }
}

const INPUTS = {
  'all of its attributes': {
    id: 'order/7',
    type: 'order.created',
    source: '/orders',
    subject: 'order 7',
    time: '2026-01-02T03:04:05.123456Z',
    dataSchema: 'https://example.com/order.json',
    partitionKey: 'k',
    extensions: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    data: { total: 12345678901234567890n },
  },
  'no data': { type: 'order.created', source: '/orders' },
  bytes: { type: 'order.created', source: '/orders', data: new Uint8Array([0, 1, 255]) },
}

for (const [what, input] of Object.entries(INPUTS)) {
  test(`one function handles the same event for the relay and for a consumer: ${what}`, async () => {
    const seen: ReturnType<typeof seenBy>[] = []
    const transactions: unknown[] = []
    const handle = async (event: DeliveryEvent, context: HandlerContext<MemoryTransaction>): Promise<void> => {
      seen.push(seenBy(event, context))
      transactions.push(context.tx)
      assert.match(context.position, /./)
    }
    const registry = new HandlerRegistry().on('order.*', handle)
    const sent: CloudEvent[] = []
    registry.on('*', (event) => void sent.push(event.toCloudEvent()), { name: 'sent' })
    const broadcaster = new Broadcaster({
      store: memoryStore(),
      backends: { local: handlers(registry, { transactional: true }) },
      logger: false,
    })
    await broadcaster.transaction((tx) => broadcaster.publish(tx, input))
    assert.equal(await broadcaster.processPendingEvents(), 1)
    await broadcaster.close()

    const subscription = memorySubscription()
    const consumer = new Consumer({
      name: 'billing',
      subscription,
      store: memoryStore(),
      handlers: { 'order.*': handle },
    })
    await consumer.start()
    subscription.deliver(...sent)
    await subscription.settled()
    await consumer.stop()

    assert.equal(seen.length, 2)
    assert.deepEqual(seen[1], seen[0])
    assert.ok(
      transactions.every((tx) => tx !== undefined),
      'both are in a transaction',
    )
  })
}
