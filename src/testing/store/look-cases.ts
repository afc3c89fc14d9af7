import assert from 'node:assert/strict'
import type { BlockedHead, BlockedHeads } from '../../store/blocked-heads.ts'
import type { BackendCounts } from '../../store/outbox-look.ts'
import { FEW } from '../../store/relay-store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import { fetchAll, idsOf, insert, insertAll, insertOne, NAMES, newEvent, own } from './steps.ts'

/** Numbers for people and monitors. */
export const lookCases: readonly StoreCase[] = [
  it('blockedHeads: all of a backend, page by page, whatever else failed between them', async ({ store }) => {
    const { record } = await own(store)
    const keys = Array.from({ length: 12 }, (_, n) => `k${n}`)
    const rows = await insertAll(
      store,
      ...keys.map((partitionKey) => ({ partitionKey })),
      {},
      { partitionKey: 'waits' },
    )
    const [plain, waits] = rows.slice(12)
    assert.ok(plain && waits)
    await record(...rows.slice(0, 12).map((row) => outcome.failed(row)), outcome.failed(plain), outcome.retry(waits))
    for (const bound of [
      { limit: 5, rows: 1_000 },
      { limit: 50, rows: 3 },
      { limit: 50, rows: 1_000 },
    ]) {
      const heads: BlockedHead[] = []
      let after: BlockedHeads['next'] = null
      do {
        const page: BlockedHeads = await store.admin.blockedHeads({ backend: 'default', after, ...bound })
        heads.push(...page.heads)
        assert.ok(page.heads.length <= bound.limit)
        after = page.next
      } while (after !== null)
      assert.deepEqual(heads.map(({ partitionKey }) => partitionKey).toSorted(), keys.toSorted())
      const places = heads.map(({ lane, seq }) => lane * 1e9 + seq)
      assert.deepEqual(
        places,
        places.toSorted((a, b) => a - b),
      )
      assert.ok(heads.every(({ since, heldBy }) => since >= 0 && rows.some(({ id }) => id === heldBy)))
    }
    const none = await store.admin.blockedHeads({ backend: 'other', after: null, limit: 5, rows: 5 })
    assert.deepEqual(none, { heads: [], next: null })
  }),
  it('look: counts by backend what waits, and why', async ({ store }) => {
    const { record } = await own(store)
    const [blocks, one, two, fails, retry, behind, published, , sending] = await insertAll(
      store,
      { partitionKey: 'k' }, // will block its key
      { partitionKey: 'k' }, // behind it
      { partitionKey: 'k' }, // behind it
      { partitionKey: 'l' }, // will fail without blocking
      { partitionKey: 'm' }, // between retries
      { partitionKey: 'm' }, // behind that retry
      {}, // published
      {}, // due
      {}, // being sent
      { delay: 3_600_000 }, // scheduled
      { publisherBackend: 'other', delay: 3_600_000 },
    )
    await record(
      outcome.failed(blocks),
      outcome.park(one),
      outcome.park(two),
      outcome.failed(fails, { blocks: false }),
      outcome.retry(retry),
      outcome.park(behind, { delay: 60_000 }),
      outcome.published(published),
      outcome.sending(sending),
    )
    const look = await store.admin.look()
    const { oldestReadyAge, ...here } = countsIn(look.backends, 'default')
    assert.deepEqual(here, { ready: 2, delayed: 1, blocked: 2, scheduled: 2, retrying: 1, failed: 2, blockedKeys: 1 })
    assert.ok(typeof oldestReadyAge === 'number' && oldestReadyAge >= 0 && oldestReadyAge < 60_000)
    assert.deepEqual(countsIn(look.backends, 'other'), { ...NOTHING, scheduled: 1 })
    assert.deepEqual(
      look.blockedKeys.map(({ backend, partitionKey, heldBy }) => [backend, partitionKey, heldBy]),
      [['default', 'k', blocks.id]],
    )
    assert.ok(look.blockedKeys.every(({ since }) => since >= 0 && since < 60_000))
    if (!look.totalRowsIsEstimate) assert.equal(look.totalRows, 11)
  }),
  it('look: what came due while it was parked is ready, though nobody has brought it back', async ({ store }) => {
    await insertOne(store, { delay: 1 })
    // Until it is due by the database's clock.
    while (countsIn((await store.admin.look()).backends, 'default').ready === 0) await store.admin.count([])
    const { oldestReadyAge, ...here } = countsIn((await store.admin.look()).backends, 'default')
    assert.deepEqual(here, { ...here, ready: 1, scheduled: 0, delayed: 0 })
    assert.ok(typeof oldestReadyAge === 'number' && oldestReadyAge >= 0)
  }),
  it('look: each blocked key once, with the first event that holds it', async ({ store }) => {
    const { record } = await own(store)
    const rows = await insertAll(store, { partitionKey: 'k' }, { partitionKey: 'k' }, { partitionKey: 'l' }, {})
    await record(...rows.map((row) => outcome.failed(row)))
    const { blockedKeys, backends } = await store.admin.look()
    const keys = blockedKeys.map(({ partitionKey, heldBy }) => `${partitionKey} ${heldBy}`)
    assert.deepEqual(keys.toSorted(), [`k ${rows[0].id}`, `l ${rows[2].id}`])
    assert.equal(countsIn(backends, 'default').blockedKeys, 2)
  }),
  it('waiting: what is not delivered of each key, and whether all was counted', async ({ store }) => {
    const { record } = await own(store)
    const [blocks, one, , , other, done] = await insertAll(
      store,
      { partitionKey: 'k' }, // will block its key
      { partitionKey: 'k' }, // behind it
      { partitionKey: 'k' }, // behind it, and not parked yet
      { partitionKey: 'k', delay: 3_600_000 }, // scheduled
      { partitionKey: 'K' },
      { partitionKey: 'K' },
      { partitionKey: 'k', publisherBackend: 'other' },
    )
    await record(outcome.failed(blocks), outcome.park(one), outcome.retry(other), outcome.published(done))
    const laneOf = async ({ id }: { readonly id: string }): Promise<number> => {
      const where = [{ column: 'id', op: 'eq', value: id }] as const
      const [row] = await store.admin.list({ where, order: [], limit: 1, offset: 0, columns: ['lane'] })
      return row?.lane ?? -1
    }
    const k = { backend: 'default', lane: await laneOf(blocks), partitionKey: 'k' }
    const keys = [{ ...k, backend: 'other' }, k, { ...k, lane: await laneOf(other), partitionKey: 'K' }]
    const counts = [
      { count: 1, exact: true },
      { count: 3, exact: true },
      { count: 1, exact: true },
    ]
    assert.deepEqual(await store.admin.waiting(keys, 10), counts)
    assert.deepEqual(await store.admin.waiting([{ ...k, partitionKey: 'none' }], 10), [{ count: 0, exact: true }])
    assert.deepEqual(await store.admin.waiting([], 10), [])
    const [cut] = await store.admin.waiting([k], 1)
    assert.equal(cut?.exact, false)
    assert.ok(cut.count >= 1 && cut.count <= 3, `${cut.count}`)
  }),
  it('look: workers, lanes, breakers and destinations as they are, and none is removed', async ({ store }) => {
    const { coordination } = store
    const { workerId, lanes } = await own(store)
    const dead = await coordination.enter({ name: 'dead', backends: ['default'], lease: 0 })
    await coordination.breakers.open('default', 1_000, 'down')
    await coordination.destinations.open('default', 'there', 1_000, 'away')
    const look = await store.admin.look()
    assert.deepEqual(idsOf(look.workers), [workerId])
    assert.deepEqual(
      look.lanes.map(({ backend, lane, owner, fence }) => [backend, lane, owner, fence]).toSorted(),
      lanes.map(({ backend, lane, owner, fence }) => [backend, lane, owner, fence]).toSorted(),
    )
    assert.deepEqual(
      look.breakers.map(({ backend, open, error }) => [backend, open, error]),
      [['default', true, 'down']],
    )
    assert.deepEqual(
      look.destinations.map(({ backend, destination, error }) => [backend, destination, error]),
      [['default', 'there', 'away']],
    )
    assert.equal(await coordination.renew(dead, 60_000), false)
    assert.ok(look.now instanceof Date)
  }),
  it('waitingNames: the backends of what is due or parked, and of nothing else', async ({ store }) => {
    assert.deepEqual(await store.relay.waitingNames(10), [])
    const { record } = await own(store)
    const delay = 3_600_000
    const [done] = await insertAll(
      store,
      {},
      ...['', '', 'due', 'due'].map((publisherBackend) => ({ publisherBackend })),
      { publisherBackend: 'due', delay },
      { publisherBackend: 'later', delay },
    )
    await record(outcome.published(done))
    assert.deepEqual([...(await store.relay.waitingNames(10))].sort(), ['', 'due', 'later'])
    assert.equal((await store.relay.waitingNames(2)).length, 2)
  }),
  it('lastSeq: the end of what is due in a lane, for the names given', async ({ store }) => {
    const { record } = await own(store)
    const [first, second, , elsewhere] = await insertAll(
      store,
      { partitionKey: 'k' },
      { partitionKey: 'k' },
      { partitionKey: 'k', delay: 3_600_000 },
      { partitionKey: 'k', publisherBackend: 'elsewhere' },
      { partitionKey: 'of another lane' },
    )
    const names = [...NAMES, 'elsewhere']
    const fetched = await fetchAll(store, names)
    const seqOf = ({ id }: { readonly id: string }) => fetched.find((row) => row.id === id)?.seq
    const last = (of: readonly string[]) => store.relay.lastSeq(of, first.lane)
    assert.equal(await last(NAMES), seqOf(second))
    assert.equal(await last(names), seqOf(elsewhere))
    await record(outcome.published(second))
    assert.equal(await last(NAMES), seqOf(first))
    await record(outcome.published(first))
    assert.equal(await last(NAMES), undefined)
  }),
  it('fetchFew: all that is due above a number, unless it is much', async ({ store }) => {
    const { fetchFew } = store.relay
    if (fetchFew === undefined) return
    const { record } = await own(store)
    const few = (after: number) => fetchFew([...NAMES, 'other'], after)
    const [first, , done] = await insertAll(
      store,
      { partitionKey: 'k' },
      { partitionKey: 'l', data: JSON.stringify('x'.repeat(500)) },
      { partitionKey: 'm' },
      { partitionKey: 'n', publisherBackend: 'other' },
      { partitionKey: 'o', publisherBackend: 'elsewhere' },
      { partitionKey: 'p', delay: 3_600_000 },
    )
    await record(outcome.published(done))
    const all = await fetchAll(store, [...NAMES, 'other'])
    assert.equal(all.length, 3)
    assert.deepEqual(await few(0), all)
    assert.deepEqual(await few(all[0]?.seq ?? 0), all.slice(1))
    assert.equal(all[0]?.id, first.id)
    const lean = await fetchFew(NAMES, 0, 100)
    assert.deepEqual(
      lean?.map(({ withheld }) => withheld !== null),
      [false, true],
    )
    await insertAll(store, ...Array.from({ length: FEW - 4 }, () => ({})))
    assert.equal((await few(0))?.length, FEW - 1)
    await insertOne(store)
    assert.equal(await few(0), undefined)
  }),
  it('look: a backend that workers know has its line, though it has nothing to do', async ({ store }) => {
    const { record } = await own(store)
    const known = async () => (await store.admin.look()).backends.map(({ backend }) => backend)
    assert.deepEqual(await known(), ['default'])
    await record(outcome.published(await insertOne(store)))
    assert.deepEqual(await known(), ['default'])
    assert.deepEqual(countsIn((await store.admin.look()).backends, 'default'), NOTHING)
  }),
  it('look: what waits behind a retry is delayed and not retrying, and only what could go has an age', async (fixture) => {
    const { store } = fixture
    const { record } = await own(store)
    const key = { partitionKey: 'k' }
    const [head, ...others] = await insertAll(store, key, key, key)
    const waiting = others.map((row) => outcome.park(row, { behind: head.id, delay: 60_000 }))
    await record(outcome.retry(head), ...waiting)
    const waits = { ...NOTHING, delayed: 2, scheduled: 1, retrying: 1 }
    assert.deepEqual(countsIn((await store.admin.look()).backends, 'default'), waits)
    await insert(store, newEvent())
    const { oldestReadyAge, ...counts } = countsIn((await store.admin.look()).backends, 'default')
    assert.deepEqual({ ...counts, oldestReadyAge: null }, { ...waits, ready: 1 })
    assert.ok(oldestReadyAge !== null && oldestReadyAge >= 0 && oldestReadyAge < 60_000)
  }),
  it('look: an empty outbox', async ({ store }) => {
    const look = await store.admin.look()
    for (const { backend } of look.backends) assert.deepEqual(countsIn(look.backends, backend), NOTHING)
    assert.deepEqual(look.blockedKeys, [])
    if (!look.totalRowsIsEstimate) assert.equal(look.totalRows, 0)
    if (look.inboxRows !== null) assert.equal(look.inboxRows, 0)
  }),
]

const NOTHING = {
  ready: 0,
  delayed: 0,
  blocked: 0,
  scheduled: 0,
  retrying: 0,
  failed: 0,
  blockedKeys: 0,
  oldestReadyAge: null,
}

/** The counts of one backend as numbers, each of them exact. */
function countsIn(backends: readonly BackendCounts[], backend: string) {
  const found = backends.find((one) => one.backend === backend)
  assert.ok(found, `a line for ${backend}`)
  const { ready, delayed, blocked, scheduled, retrying, failed, blockedKeys, oldestReadyAge } = found
  const counts = { ready, delayed, blocked, scheduled, retrying, failed, blockedKeys }
  assert.ok(Object.values(counts).every(({ exact }) => exact))
  return {
    ready: ready.count,
    delayed: delayed.count,
    blocked: blocked.count,
    scheduled: scheduled.count,
    retrying: retrying.count,
    failed: failed.count,
    blockedKeys: blockedKeys.count,
    oldestReadyAge,
  }
}
