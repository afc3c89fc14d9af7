import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { STORES } from '../support/stores.ts'

const EVENT = { type: 'order.created', source: '/orders' }
const CLOSED = { code: 'CLOSED' }

/** A store that stays open when one Broadcaster closes: on an injected pool, or in the hands of another. */
for (const { name, skip, open } of STORES) {
  describe(`${name}: a Broadcaster that was closed, on a store that goes on`, { skip }, () => {
    test('says so whatever it is asked', async () => {
      const { store, close } = await open()
      const other = new Broadcaster({ store, backends: { default: memoryBackend() }, logger: false })
      try {
        const broadcaster = new Broadcaster({ store, backends: { default: memoryBackend() }, logger: false })
        const early = broadcaster.worker()
        const query = broadcaster.events.filter({ status: 'pending' })
        const { id } = await broadcaster.events.create(EVENT)
        await broadcaster.close()
        const asked: Readonly<Record<string, () => Promise<unknown>>> = {
          publish: () => store.transaction((tx) => broadcaster.publish(tx, EVENT)),
          publishMany: () => store.transaction((tx) => broadcaster.publishMany(tx, [EVENT])),
          transaction: () => broadcaster.transaction(async () => undefined),
          'worker().start': () => broadcaster.worker().start(),
          'worker().run': () => broadcaster.worker().run(),
          'start of an earlier worker': () => early.start(),
          'drain of an earlier worker': () => early.drain(),
          processPendingEvents: () => broadcaster.processPendingEvents(),
          status: () => broadcaster.status(),
          'events.count': () => broadcaster.events.count(),
          'events.get': () => broadcaster.events.get(id),
          'events.create': () => broadcaster.events.create(EVENT),
          'events.stats': () => broadcaster.events.stats(),
          'events.cancel': () => broadcaster.events.cancel(id),
          'events.iterate': () => broadcaster.events.iterate().next(),
          'an earlier query': () => query.all(),
          'admin.requeue': () => broadcaster.admin.requeue(id),
          'admin.pause': () => broadcaster.admin.pause('default'),
          'admin.audit': () => broadcaster.admin.audit(),
          'admin.operations.list': () => broadcaster.admin.operations.list(),
          'inbox.once': () =>
            store.transaction((tx) => broadcaster.inbox.once(tx, 'c', { source: '/s', id: 'a' }, () => undefined)),
          'inbox.check': () => broadcaster.inbox.check(),
          'inbox.prune': () => broadcaster.inbox.prune(),
          'start of a consumer with its inbox': () =>
            new Consumer({
              name: 'late',
              subscription: memorySubscription(),
              inbox: broadcaster.inbox,
              transaction: (work) => store.transaction(work),
              handlers: { '*': () => undefined },
            }).start(),
        }
        for (const [what, ask] of Object.entries(asked)) await assert.rejects(ask(), CLOSED, what)
        assert.equal(await other.events.count(), 1, 'the other one goes on')
        assert.equal(await other.processPendingEvents(), 1)
      } finally {
        await other.close()
        await close()
      }
    })

    test('takes what its handlers publish until its worker has stopped', async () => {
      const { store, close } = await open()
      const other = new Broadcaster({ store, backends: { default: memoryBackend() }, logger: false })
      try {
        const registry = new HandlerRegistry()
        const broadcaster = new Broadcaster({ store, backends: { default: handlers(registry) }, logger: false })
        const began = Promise.withResolvers<void>()
        const goOn = Promise.withResolvers<void>()
        let followed: unknown
        registry.on('order.created', async () => {
          began.resolve()
          await goOn.promise
          followed = await broadcaster.events.create({ ...EVENT, type: 'order.followed' }).catch((error) => error)
        })
        await broadcaster.events.create(EVENT)
        await broadcaster.worker().start()
        await began.promise
        const closing = broadcaster.close()
        goOn.resolve()
        await closing
        assert.ok(!(followed instanceof Error), String(followed))
        assert.equal(await other.events.filter({ eventType: 'order.followed' }).count(), 1)
      } finally {
        await other.close()
        await close()
      }
    })
  })
}

test('a consumer that outlives its Broadcaster keeps its event, and it costs no attempt', async () => {
  const store = (await STORES[0]?.open())?.store
  assert.ok(store)
  const broadcaster = new Broadcaster({ store, backends: { default: memoryBackend() }, logger: false })
  const subscription = memorySubscription()
  const retried = Promise.withResolvers<void>()
  let tries = 0
  const consumer = new Consumer({
    name: 'outlives',
    subscription,
    inbox: broadcaster.inbox,
    transaction(work) {
      if (++tries === 3) retried.resolve()
      return store.transaction(work)
    },
    maxRetries: 0,
    handlers: { '*': () => undefined },
    logger: false,
  })
  await consumer.start()
  await broadcaster.close()
  subscription.deliver({ specversion: '1.0', id: 'a', source: '/orders', type: 'order.created' })
  await retried.promise
  await consumer.stop()
  assert.deepEqual(subscription.deadLetters, [])
})
