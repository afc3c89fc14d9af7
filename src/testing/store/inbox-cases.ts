import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Inbox } from '../../inbox/inbox.ts'
import type { InboxPlace, ListedInboxEntry } from '../../store/inbox-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { RolledBackError, rolledBack } from './roll-back.ts'
import { until } from './steps.ts'

const event = { source: '/orders', id: 'o-1' }

/** Handles an event in its own transaction; resolves with whether the handler ran. */
function handle(store: Store, consumer = 'billing', which = event, work: () => unknown = () => undefined) {
  return store.transaction((tx) => new Inbox({ store }).once(tx, consumer, which, work))
}

/** Handling once: `inbox.once` over the store's own transactions. */
export const inboxCases: readonly StoreCase[] = [
  it('inbox: an event is handled once for each consumer, source and id', async ({ store }) => {
    assert.equal(await handle(store), true)
    assert.equal(await handle(store), false)
    assert.equal(await handle(store, 'shipping'), true)
    assert.equal(await handle(store, 'billing', { source: '/other', id: 'o-1' }), true)
    assert.equal(await handle(store, 'billing', { source: '/orders', id: 'O-1' }), true, 'letters differ by case')
    assert.equal(await handle(store, 'billing', { source: '/orders', id: 'o-1 ' }), true, 'a space counts')
    assert.equal(await handle(store), false)
  }),
  it('inbox: a look counts its entries, or says that it does not know', async ({ store }) => {
    for (const consumer of ['billing', 'shipping', 'mail']) await handle(store, consumer)
    const { inboxRows } = await store.admin.look()
    assert.ok(inboxRows === null || inboxRows === 3, `${inboxRows}`)
  }),
  it('inbox: twice in one transaction is once', async ({ store }) => {
    const inbox = new Inbox({ store })
    const ran = await store.transaction(async (tx) => [
      await inbox.once(tx, 'billing', event, () => undefined),
      await inbox.once(tx, 'billing', event, () => undefined),
    ])
    assert.deepEqual(ran, [true, false])
  }),
  it('inbox: what was rolled back was not handled', async ({ store }) => {
    const inbox = new Inbox({ store })
    await rolledBack(store, async (tx) => {
      assert.equal(await inbox.once(tx, 'billing', event, () => undefined), true)
    })
    assert.equal(await handle(store), true)
  }),
  it('inbox: a handler that throws leaves no entry, even if its transaction commits', async ({ store }) => {
    const inbox = new Inbox({ store })
    await store.transaction(async (tx) => {
      const fail = (): never => {
        throw new RolledBackError()
      }
      await assert.rejects(inbox.once(tx, 'billing', event, fail), RolledBackError)
    })
    assert.equal(await handle(store), true)
  }),
  it('inbox: what is forgotten is handled again, unless that is rolled back', async ({ store }) => {
    const inbox = new Inbox({ store })
    assert.equal(await handle(store), true)
    await rolledBack(store, (tx) => inbox.forget(tx, 'billing', event))
    assert.equal(await handle(store), false)
    await store.transaction((tx) => inbox.forget(tx, 'shipping', event))
    assert.equal(await handle(store), false)
    await store.transaction((tx) => inbox.forget(tx, 'billing', event))
    assert.equal(await handle(store), true)
    assert.equal(await handle(store), false)
  }),
  it('inbox: names of any length and script stay apart', async ({ store }) => {
    const long = 'x'.repeat(5_000)
    assert.equal(await handle(store, 'ö'.repeat(100), { source: `${long}a`, id: '🎉'.repeat(127) }), true)
    assert.equal(await handle(store, 'ö'.repeat(100), { source: `${long}b`, id: '🎉'.repeat(127) }), true)
    assert.equal(await handle(store, 'ö'.repeat(100), { source: `${long}b`, id: '🎉'.repeat(128) }), true)
    assert.equal(await handle(store, 'ö'.repeat(100), { source: `${long}b`, id: '🎉'.repeat(128) }), false)
    assert.equal(await handle(store, 'billing', { source: '/a\0b', id: 'n' }), true)
    assert.equal(await handle(store, 'billing', { source: '/a\0b', id: 'n' }), false)
  }),
  it('inbox: an id that looks like the hash of a long one is another event', async ({ store }) => {
    const id = 'x'.repeat(300)
    const hash = `sha-256:${createHash('sha256').update(id).digest('hex')}`
    assert.equal(await handle(store, 'billing', { source: '/orders', id: hash }), true)
    assert.equal(await handle(store, 'billing', { source: '/orders', id }), true)
    assert.equal(await handle(store, 'billing', { source: hash, id: 'n' }), true)
    assert.equal(await handle(store, 'billing', { source: id, id: 'n' }), true)
    assert.equal(await handle(store, 'billing', { source: '/orders', id: hash }), false)
  }),
  it('inbox: what is forgotten, or fails, is the event of this source, id and consumer alone', async ({ store }) => {
    const inbox = new Inbox({ store })
    const others = [
      ['billing', { source: '/other', id: 'o-1' }],
      ['billing', { source: '/orders', id: 'o-2' }],
      ['shipping', event],
    ] as const
    for (const [consumer, which] of others) assert.equal(await handle(store, consumer, which), true)
    await store.transaction(async (tx) => {
      await assert.rejects(
        inbox.once(tx, 'billing', event, () => {
          throw new RolledBackError()
        }),
        RolledBackError,
      )
    })
    assert.equal(await handle(store), true)
    await store.transaction((tx) => inbox.forget(tx, 'billing', event))
    for (const [consumer, which] of others) assert.equal(await handle(store, consumer, which), false)
    assert.equal(await handle(store), true)
  }),
  it('inbox: of concurrent transactions one handles an event, and the others wait and skip', async ({ store }) => {
    let running = 0
    let most = 0
    const ran = await Promise.all(
      Array.from({ length: 8 }, () =>
        handle(store, 'billing', event, async () => {
          most = Math.max(most, ++running)
          await new Promise((resolve) => setTimeout(resolve, 20))
          running--
        }),
      ),
    )
    assert.equal(ran.filter(Boolean).length, 1)
    assert.equal(most, 1)
  }),
  it('inbox: who waited for a transaction that rolled back handles the event', async ({ store }) => {
    const entered = Promise.withResolvers<void>()
    const fail = Promise.withResolvers<void>()
    const inbox = new Inbox({ store })
    const first = store.transaction((tx) =>
      inbox.once(tx, 'billing', event, async () => {
        entered.resolve()
        await fail.promise
        throw new RolledBackError()
      }),
    )
    await entered.promise
    let second: boolean | undefined
    const waiting = handle(store).then((ran) => {
      second = ran
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(second, undefined, 'it waits')
    fail.resolve()
    await assert.rejects(first, RolledBackError)
    await waiting
    assert.equal(second, true)
  }),
  it('inbox: lists what was handled, the newest first, page by page, each once', async ({ store }) => {
    for (let n = 0; n < 7; n++)
      await handle(store, n % 2 === 0 ? 'billing' : 'shipping', { source: '/é', id: `o-${n}` })
    // Of one instant, all of them.
    await store.transaction(async (tx) => {
      for (const id of ['p-1', 'p-2', 'P-2'])
        await new Inbox({ store }).once(tx, 'mail', { source: '/s', id }, () => undefined)
    })
    const found: string[] = []
    let after: InboxPlace | null = null
    let times: number[] = []
    do {
      const page: readonly ListedInboxEntry[] = await store.inbox.list({ after, limit: 3 })
      found.push(...page.map(({ consumer, source, eventId }) => `${consumer} ${source} ${eventId}`))
      times = [...times, ...page.map(({ handledAt }) => handledAt.getTime())]
      after = page.at(-1) ?? null
    } while (after !== null)
    assert.deepEqual(found.toSorted(), [
      ...[0, 2, 4, 6].map((n) => `billing /é o-${n}`),
      ...['P-2', 'p-1', 'p-2'].map((id) => `mail /s ${id}`),
      ...[1, 3, 5].map((n) => `shipping /é o-${n}`),
    ])
    assert.deepEqual(
      times,
      times.toSorted((a, b) => b - a),
    )
    assert.ok(
      times.every((time) => Math.abs(time - Date.now()) < 3_600_000),
      'an instant in UTC',
    )
    assert.deepEqual(await store.inbox.list({ after: null, limit: 0 }), [])
  }),
  it('inbox: prune deletes what is old enough, up to the limit, and nothing else', async ({ store }) => {
    // The same id from different sources: different events.
    for (let n = 0; n < 5; n++) await handle(store, 'billing', { source: `/orders/${n}`, id: 'o' })
    assert.equal(await store.inbox.prune({ age: 3_600_000, limit: 100 }), 0)
    let deleted = 0
    await until('all entries are a moment old', async () => {
      const count = await store.inbox.prune({ age: 1, limit: 3 })
      assert.ok(count <= 3, `${count} at once`)
      deleted += count
      return deleted === 5
    })
    assert.equal(await store.inbox.prune({ age: 0, limit: 100 }), 0)
    assert.equal(await handle(store, 'billing', { source: '/orders/1', id: 'o' }), true, 'it is forgotten')
  }),
]
