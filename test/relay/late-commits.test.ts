import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { RelayStore } from '../../src/store/relay-store.ts'
import type { Store } from '../../src/store/store.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { dataOf, TestOutbox } from './outbox.ts'

/** As many transactions at a time, each of a key of its own. */
const WRITERS = 5
/** Transactions of each, one after the other. */
const EACH = 60
/** The longest time between the INSERT and the COMMIT of a transaction, in ms. */
const LONGEST = 12
/** The same for one in so many of the first key, where floors are used: they outlast what floors rest on. */
const SOME = { longest: 500, of: 6 }

/** The same store, where each lane that is read from its head takes so long that floors are used. */
function dear(store: Store): Store {
  const fetch: RelayStore['fetch'] = async (names, cursors, ...more) => {
    await delay(4 * cursors.filter(({ after }) => after < 0).length)
    return store.relay.fetch(names, cursors, ...more)
  }
  return { ...store, relay: { ...store.relay, fetch } }
}

const KINDS = PLACED_STORES.filter(({ name }) => name !== 'sqlite').flatMap((kind) => [
  { kind, isDear: false },
  ...(kind.name === 'postgres' ? [{ kind, isDear: true }] : []),
])

for (const { kind, isDear } of KINDS) {
  const skip = kind.server ? skipWithout(kind.server) : false
  const where = isDear ? `${kind.name}, where reads from the heads are dear` : kind.name
  test(`transactions that commit later than others of the same lane: every key in order: ${where}`, {
    skip,
  }, async (t) => {
    const { store: plain, close } = await kind.open()
    t.after(close)
    const store = isDear ? dear(plain) : plain
    await store.schema.migrate({ lanes: isDear ? 2 : 1 })
    await using outbox = new TestOutbox({}, store)
    const { broadcaster, backend } = outbox
    await broadcaster.worker().start()
    const write = async (partitionKey: string): Promise<void> => {
      for (let data = 1; data <= EACH; data++) {
        await broadcaster.transaction(async (tx) => {
          await broadcaster.publish(tx, { type: 'a', source: '/x', partitionKey, data })
          const isLong = isDear && partitionKey === 'key-0' && data % SOME.of === 0
          await delay(Math.random() * (isLong ? SOME.longest : LONGEST))
        })
      }
    }
    const keys = Array.from({ length: WRITERS }, (_, n) => `key-${n}`)
    await Promise.all(keys.map(write))
    await outbox.until(() => backend.received.length >= WRITERS * EACH, 'all')
    const ordered = Array.from({ length: EACH }, (_, n) => n + 1)
    for (const key of keys) assert.deepEqual(dataOf(backend.received, key), ordered, key)
  })
}
