import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { setBack } from '../store/set-back.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { TestOutbox } from './outbox.ts'

const HOUR = 3_600_000

interface Outbox {
  readonly store: Store
  setBack(duration: number): Promise<void>
  close(): Promise<void>
}

const KINDS: readonly { readonly name: string; readonly skip: string | false; open(): Promise<Outbox> }[] = [
  {
    name: 'memory',
    skip: false,
    async open() {
      let behind = 0
      const store = memoryStore({ lanes: 8, now: () => Date.now() - behind })
      return {
        store,
        async setBack(duration) {
          behind += duration
        },
        close: () => store.close(),
      }
    },
  },
  ...PLACED_STORES.map((kind) => ({
    name: kind.name,
    skip: kind.server === undefined ? (false as const) : skipWithout(kind.server),
    async open() {
      const { place, store, close } = await kind.open()
      await store.schema.migrate()
      return {
        store,
        setBack: (duration: number) =>
          setBack(store, place.kind, duration, place.kind === 'postgres' ? `${place.schema}.` : ''),
        async close() {
          await store.close()
          await close()
        },
      }
    },
  })),
]

for (const { name, skip, open } of KINDS) {
  test(`the database's clock is set back by an hour, on ${name}: nothing waits for that hour`, { skip }, async () => {
    const opened = await open()
    try {
      await using outbox = new TestOutbox({}, opened.store)
      let refuse = true
      outbox.backend.behaviour = ({ partitionKey }) =>
        refuse && partitionKey === 'k' ? notDelivered(new Error('no')) : delivered
      await outbox.publish(['k', 'k'])
      await outbox.publish(['later'], { scheduledAt: new Date(Date.now() + 24 * HOUR) })
      const worker = outbox.broadcaster.worker({
        pollInterval: 50,
        reconcileInterval: 1_000,
        retry: { base: 2_000, factor: 1, jitter: 'none' },
      })
      await worker.start()
      await outbox.until(() => outbox.heard('event.retried').length > 0)
      // Committed by the clock as it was, and perhaps not read before it is set back.
      await outbox.publish(['k', 'other'])
      refuse = false
      await opened.setBack(HOUR)
      await outbox.publish(['k'])
      await outbox.until(() => outbox.backend.received.length === 5)
      const ofKey = outbox.backend.received
        .filter(({ partitionKey }) => partitionKey === 'k')
        .map(({ seq }) => seq ?? 0)
      assert.deepEqual(
        ofKey,
        ofKey.toSorted((a, b) => a - b),
      )
      assert.equal(
        outbox.backend.received.some(({ partitionKey }) => partitionKey === 'later'),
        false,
      )
    } finally {
      await opened.close()
    }
  })
}
