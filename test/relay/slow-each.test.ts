import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { webhook } from 'ts-broadcaster/webhook'
import type { Backend } from '../../src/backend/backend.ts'
import { eachEvent } from '../../src/backend/each-event.ts'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { TestOutbox } from './outbox.ts'

/** Each event takes a eighth of its time, and a send of a hundred more than all of it: nobody is at fault. */
const TIMEOUT = 300
const TAKES = 50
const EVENTS = 90

/** How often each event came, and when. */
class Calls {
  readonly byId = new Map<string, number>()
  last = 0
  async take(id: string): Promise<void> {
    this.byId.set(id, (this.byId.get(id) ?? 0) + 1)
    this.last = performance.now()
    await sleep(TAKES)
  }
}

const BACKENDS: Readonly<
  Record<string, (calls: Calls, concurrency?: number) => Promise<{ backend: Backend; close?: () => unknown }>>
> = {
  eachEvent: async (calls, concurrency = 4) => ({
    backend: eachEvent(({ id }) => calls.take(id), { timeout: TIMEOUT, concurrency }),
  }),
  handlers: async (calls, concurrency = 4) => {
    const backend = handlers(undefined, { timeout: TIMEOUT, concurrency })
    backend.registry.on('*', ({ id }) => calls.take(id), { name: 'slow' })
    return { backend }
  },
  webhook: async (calls, concurrency = 4) => {
    const server = createServer((request, response) => {
      request.resume()
      void calls.take(String(request.headers['ce-id'])).then(() => response.writeHead(204).end())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const backend = webhook({ url, mode: 'binary', keys: false, timeout: TIMEOUT, concurrency })
    return { backend, close: () => server.close() }
  },
}

for (const [name, open] of Object.entries(BACKENDS)) {
  describe(`${name}: events that each take a while`, () => {
    for (const [what, keys, maxRetries] of [
      ['many keys', 200, 12],
      ['few keys, whose events follow one another', 5, 12],
      ['and no retry to spend', 200, 0],
    ] as const) {
      test(`are handed over once and charged nothing: ${what}`, async (t) => {
        const calls = new Calls()
        const { backend, close } = await open(calls)
        t.after(() => close?.())
        await using outbox = new TestOutbox({ slow: backend })
        // Its send has a second more, for a sign of life.
        const of = name === 'webhook' ? 2 * EVENTS : EVENTS
        await outbox.publish(
          Array.from({ length: of }, (_, n) => `k${n % keys}`),
          { backend: 'slow', maxRetries },
        )
        await outbox.broadcaster.worker().start()
        const done = async () => (await outbox.broadcaster.events.filter({ status: 'published' }).count()) === of
        for (let n = 0; n < 600 && !(await done()) && outbox.heard('event.failed').length === 0; n++) await sleep(50)
        assert.deepEqual(
          {
            failed: outbox.heard('event.failed').length,
            retried: outbox.heard('event.retried').length,
            down: outbox.heard('backend.down').length + outbox.heard('destination.down').length,
            twice: [...calls.byId.values()].filter((times) => times > 1).length,
            came: calls.byId.size,
          },
          { failed: 0, retried: 0, down: 0, twice: 0, came: of },
        )
        const charged = await outbox.broadcaster.events.filter({ retryCount: { gt: 0 } }).count()
        assert.equal(charged, 0)
      })
    }

    test('begin no longer than a moment after a pause, however many were handed over', async (t) => {
      const calls = new Calls()
      const { backend, close } = await open(calls, 2)
      t.after(() => close?.())
      await using outbox = new TestOutbox({ slow: backend })
      await outbox.publish(
        Array.from({ length: EVENTS }, (_, n) => `k${n}`),
        { backend: 'slow' },
      )
      await outbox.broadcaster.worker().start()
      while (calls.byId.size < 5) await sleep(10)
      await outbox.broadcaster.admin.pause('slow')
      const paused = performance.now()
      await sleep(2_000)
      // What was in its call then, ended; each takes less than this.
      assert.ok(calls.last - paused < 1_100, `one began ${Math.round(calls.last - paused)} ms after the pause`)
      assert.ok(calls.byId.size < EVENTS)
      await outbox.broadcaster.admin.resume('slow')
      await outbox.until(() => calls.byId.size === EVENTS, 'the rest')
      assert.equal(
        [...calls.byId.values()].every((times) => times === 1),
        true,
      )
    })
  })
}

for (const { name, server, open } of PLACED_STORES.filter(({ name }) => name !== 'mysql')) {
  test(`transactional handlers that each take a while run once: ${name}`, {
    skip: server ? skipWithout(server) : false,
  }, async (t) => {
    const { store, close } = await open()
    t.after(close)
    await store.schema.migrate({ lanes: 4 })
    const calls = new Calls()
    const backend = handlers(undefined, { transactional: true, timeout: TIMEOUT })
    backend.registry.on('*', ({ id }) => calls.take(id), { name: 'slow' })
    await using broadcaster = new Broadcaster({ store, backends: { slow: backend }, worker: { retention: false } })
    const events = Array.from({ length: 60 }, (_, n) => ({ type: 'a', source: '/s', partitionKey: `k${n}` }))
    await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
    await broadcaster.processPendingEvents()
    assert.equal(await broadcaster.events.filter({ status: 'published' }).count(), 60)
    assert.deepEqual([calls.byId.size, Math.max(...calls.byId.values())], [60, 1])
  })
}
