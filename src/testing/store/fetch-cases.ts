import assert from 'node:assert/strict'
import { type InsertedRow, SEND_COLUMNS } from '../../record/columns.ts'
import type { FetchedRow, UnparkReport } from '../../store/relay-store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import {
  allLanes,
  fetchAll,
  fetchedIds,
  idsOf,
  insert,
  insertAll,
  insertOne,
  list,
  moveNow,
  NAMES,
  newEvent,
  own,
  read,
  until,
} from './steps.ts'

const NOTHING_DUE: UnparkReport = { woken: [], heads: [], locked: [], more: [], nextDueIn: null }

/** Fetch and unpark. */
export const fetchCases: readonly StoreCase[] = [
  it('fetch: seq order over all lanes asked for, and no others', async ({ store }) => {
    const rows = await insert(store, ...Array.from({ length: 60 }, () => newEvent()))
    assert.deepEqual(
      (await fetchAll(store)).map((row) => row.seq),
      rows.map((row) => row.seq),
    )
    const lane = rows[0]?.lane ?? 0
    assert.deepEqual(
      idsOf(await store.relay.fetch(NAMES, [{ lane, after: 0, limit: 1000 }])),
      idsOf(rows.filter((row) => row.lane === lane)),
    )
    assert.deepEqual(await store.relay.fetch(NAMES, []), [])
  }),
  it('fetch: each lane has its own cursor and limit', async ({ store }) => {
    const one = { partitionKey: 'key a' }
    const first = await insertAll(store, one, one, one, one, one)
    const other = { partitionKey: 'key d', keyHash: first[0].lane + 1 }
    const second = await insertAll(store, other, other, other, other, other)
    assert.notEqual(first[0].lane, second[0].lane)
    const fetched = await store.relay.fetch(NAMES, [
      { lane: second[0].lane, after: second[3].seq, limit: 100 },
      { lane: first[0].lane, after: first[0].seq, limit: 2 },
    ])
    assert.deepEqual(idsOf(fetched), idsOf([first[1], first[2], second[4]]))
  }),
  it('fetch: the limit of a lane counts over all names, in seq order', async ({ store }) => {
    const backends = ['default', '', '', 'default', '']
    const rows = await insertAll(
      store,
      ...backends.map((publisherBackend) => ({ publisherBackend, partitionKey: 'k' })),
    )
    const fetched = await store.relay.fetch(NAMES, [{ lane: rows[0]?.lane ?? -1, after: 0, limit: 4 }])
    assert.deepEqual(idsOf(fetched), idsOf(rows.slice(0, 4)))
  }),
  it('fetch: only the backend names asked for', async ({ store }) => {
    const [named, unnamed, other] = await insertAll(store, {}, { publisherBackend: '' }, { publisherBackend: 'other' })
    assert.deepEqual(await fetchedIds(store), idsOf([named, unnamed]))
    assert.deepEqual(await fetchedIds(store, ['other']), [other.id])
    assert.deepEqual(await fetchAll(store, ['nobody']), [])
  }),
  it('fetch: a row holds what a backend needs, and no more', async ({ store }) => {
    await insertOne(store)
    const [row] = await fetchAll(store)
    assert.deepEqual(Object.keys(row ?? {}).toSorted(), [...SEND_COLUMNS, 'withheld'].toSorted())
  }),
  it('fetch: a row is as it is stored, the usual and the unusual', async ({ store }) => {
    const unusual = {
      subject: 's',
      dataContentType: '',
      dataSchema: 'https://example.org/s',
      publisherConfig: '{"a":1}',
    }
    const [, , retried, moved] = await insertAll(store, {}, unusual, { maxRetries: 7 }, { partitionKey: 'key' })
    await moveNow(store, [moved.id], { kind: 'reschedule', at: new Date(0) })
    const { record } = await own(store)
    await record(outcome.retry(retried, { delay: 0 }))
    await store.relay.unpark(NAMES, await allLanes(store), 100)
    const rows = await fetchAll(store)
    assert.equal(rows.length, 4)
    for (const row of rows) {
      const stored = await read(store, row.id)
      for (const column of SEND_COLUMNS) assert.deepEqual(row[column], stored[column], column)
    }
  }),
  it('fetch: data of more bytes than are asked for is left out, and had by fetchData as far as it fits', async ({
    store,
  }) => {
    const text = (bytes: number): string => JSON.stringify('é'.repeat((bytes - 2) / 2))
    const binary = new Uint8Array(3_000).fill(7)
    const rows = await insertAll(
      store,
      { data: text(100) },
      { data: text(102) },
      // Data that compresses well counts in full.
      { data: text(400_000) },
      { data: null, dataBinary: binary },
      { data: null },
    )
    const [whole, ...rest] = await fetchAll(store, NAMES, 100)
    const [first, large, bytes, none] = rest
    const dataOf = (row: Partial<FetchedRow> | undefined) => [row?.data ?? null, row?.dataBinary ?? null]
    assert.deepEqual(dataOf(whole), [text(100), null])
    assert.equal(whole?.withheld, null)
    for (const row of [first, large, bytes]) assert.deepEqual(dataOf(row), [null, null])
    assert.deepEqual([...dataOf(none), none?.withheld], [null, null, null])
    assert.ok(first?.withheld && large?.withheld && bytes?.withheld)
    assert.ok(large.withheld > 100 && large.withheld <= 400_100 && bytes.withheld >= 3_000, 'its size, or less')

    const had = async (most: number, ...of: readonly FetchedRow[]) => {
      const found = new Map((await store.relay.fetchData(of, most)).map((row) => [row.id, row]))
      return of.filter(({ id }) => found.has(id)).map(({ id }) => [id, ...dataOf(found.get(id))])
    }
    assert.deepEqual(await had(400_102 + 3_000, first, large, bytes), [
      [rows[1].id, text(102), null],
      [rows[2].id, text(400_000), null],
      [rows[3].id, null, binary],
    ])
    assert.deepEqual(await had(400_102 + 2_900, first, large, bytes), [
      [rows[1].id, text(102), null],
      [rows[2].id, text(400_000), null],
    ])
    assert.deepEqual(await had(400_000, first, large, bytes), [[rows[1].id, text(102), null]])
    assert.deepEqual(await had(399_999, large, bytes), [], 'none after one that does not fit')
    assert.deepEqual(await had(Number.POSITIVE_INFINITY, large), [[rows[2].id, text(400_000), null]])
    assert.deepEqual(await store.relay.fetchData([], 1_000), [])
    const gone = { ...large, id: '00000000-0000-7000-8000-000000000000' }
    assert.deepEqual(await had(1_000_000, gone, bytes), [[rows[3].id, null, binary]], 'what is gone is left out')
  }),
  it('fetch: leaves out what is settled or parked, and reads without changing anything', async ({ store }) => {
    const { record } = await own(store)
    const [published, failed, parked, retry, sending, left] = await insertAll(store, {}, {}, {}, {}, {}, {})
    await record(
      outcome.published(published),
      outcome.failed(failed, { blocks: false }),
      outcome.park(parked, { delay: 3_600_000 }),
      outcome.retry(retry, { delay: 3_600_000 }),
      outcome.sending(sending),
    )
    for (let pass = 0; pass < 2; pass++) assert.deepEqual(await fetchedIds(store), idsOf([sending, left]))
  }),
  it('unpark: brings due events back, and says which lanes woke and when the next is due', async ({ store }) => {
    const lanes = await allLanes(store)
    assert.deepEqual(await store.relay.unpark(NAMES, lanes, 100), NOTHING_DUE)
    const due = { partitionKey: 'k', delay: 80 }
    const soon = await insertAll(store, due, due, due, { ...due, delay: 3_600_000 })
    const waiting = await store.relay.unpark(NAMES, lanes, 100)
    if (waiting.woken.length === 0) assert.ok(waiting.nextDueIn !== null && waiting.nextDueIn <= 80)
    const woken = await until('three events are due', async () => {
      if ((await fetchAll(store)).length === 3) return waiting
      const report = await store.relay.unpark(NAMES, lanes, 100)
      return report.woken.length > 0 && report
    })
    // All three came due at the same instant: one statement, one created_at.
    assert.deepEqual(woken.woken, [{ lane: soon[0].lane, firstSeq: soon[0].seq, count: 3 }])
    assert.ok(woken.nextDueIn !== null && woken.nextDueIn > 3_500_000 && woken.nextDueIn <= 3_600_000)
    assert.deepEqual(await fetchedIds(store), idsOf(soon.slice(0, 3)))
    assert.equal((await read(store, soon[0].id)).availableAt, null)
  }),
  it('unpark: names the events of a key that were between retries', async ({ store }) => {
    const { record } = await own(store)
    const [head, follower, keyless] = await insertAll(store, { partitionKey: 'k' }, { partitionKey: 'k' }, {})
    const delay = 30
    await record(
      outcome.retry(head, { delay }),
      outcome.retry(keyless, { delay }),
      outcome.park(follower, { delay, behind: head.id }),
    )
    const heads: string[] = []
    let count = 0
    await until('all are back', async () => {
      const report = await store.relay.unpark(NAMES, await allLanes(store), 100)
      heads.push(...report.heads)
      for (const woken of report.woken) count += woken.count
      return count === 3
    })
    assert.deepEqual(heads, [head.id])
  }),
  it('unpark: at most the limit for each lane, earliest due first, and more at once afterwards', async ({ store }) => {
    const { record } = await own(store)
    const key = { partitionKey: 'k' }
    const rows = await insertAll(store, key, key, key, key)
    const [{ lane }] = rows
    // The last inserted is due first.
    await record(...rows.map((row, n) => outcome.park(row, { delay: 40 - n * 10 })))
    await until('all are due', async () => {
      const parked = await list(store, ['availableAt'])
      // The database's now, seen through a write: a row inserted after the last due time.
      const { createdAt } = await insertOne(store, { publisherBackend: 'clock' })
      return parked.every(({ availableAt }) => !availableAt || availableAt.getTime() < createdAt.getTime())
    })
    const unparked = async (limit: number, first: InsertedRow, count: number, left: Partial<UnparkReport>) => {
      const woken = [{ lane, firstSeq: first.seq, count }]
      assert.deepEqual(await store.relay.unpark(NAMES, [lane], limit), { ...NOTHING_DUE, woken, ...left })
    }
    await unparked(1, rows[3], 1, { more: [lane], nextDueIn: 0 })
    await unparked(2, rows[1], 2, { more: [lane], nextDueIn: 0 })
    await unparked(2, rows[0], 1, {})
  }),
  it('unpark: other lanes, other backends and what waits behind a failed event stay parked', async ({ store }) => {
    const { record } = await own(store)
    const row = await insertOne(store, { partitionKey: 'k' })
    const other = await insertOne(store, { publisherBackend: 'other', delay: 3_600_000 })
    await record(outcome.park(row))
    const lanes = await allLanes(store)
    assert.deepEqual(await store.relay.unpark(NAMES, lanes, 100), NOTHING_DUE)
    const elsewhere = lanes.filter((lane) => lane !== other.lane)
    assert.deepEqual(await store.relay.unpark(['other'], elsewhere, 100), NOTHING_DUE)
    assert.notEqual((await store.relay.unpark(['other'], [other.lane], 100)).nextDueIn, null)
    assert.deepEqual(await store.relay.unpark(NAMES, [], 100), NOTHING_DUE)
  }),
]
