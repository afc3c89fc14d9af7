import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { dataOf, TestOutbox } from './outbox.ts'

test('events leave however slowly they are read: lanes that are looked after meanwhile make the others wait for nothing', async () => {
  const store = memoryStore({ lanes: 64 }) as Store
  const { fetch } = store.relay
  // As long as it takes to read some events of several megabytes. By then some lane or other was reconciled, as each is within a minute.
  const slow: Store = {
    ...store,
    relay: {
      ...store.relay,
      async fetch(...of) {
        const rows = await fetch(...of)
        if (rows.length > 0) await delay(2_500)
        return rows
      },
    },
  }
  await using outbox = new TestOutbox({}, slow)
  const { backend, broadcaster } = outbox
  await broadcaster.worker().start()
  await outbox.publish(Array.from({ length: 40 }, (_, n) => `key ${n}`))
  await outbox.until(() => backend.received.length === 40)
  assert.equal(dataOf(backend.received).length, 40)
})
