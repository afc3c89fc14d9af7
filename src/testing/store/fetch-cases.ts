import assert from 'node:assert/strict'
import { SEND_COLUMNS } from '../../record/columns.ts'
import type { StoreCase } from '../store-conformance.ts'
import { allLanes, fetchAll, insert, insertOne, NAMES, newEvent, own, read, until } from './steps.ts'

/** Fetch and unpark. */
export const fetchCases: readonly StoreCase[] = [
  {
    name: 'fetch: seq order over all lanes asked for, and no others',
    async run({ store }) {
      const rows = await insert(store, ...Array.from({ length: 60 }, () => newEvent()))
      assert.deepEqual(
        (await fetchAll(store)).map((row) => row.seq),
        rows.map((row) => row.seq),
      )
      const lane = rows[0]?.lane ?? 0
      assert.deepEqual(
        (await store.relay.fetch(NAMES, [{ lane, after: 0, limit: 1000 }])).map((row) => row.id),
        rows.filter((row) => row.lane === lane).map((row) => row.id),
      )
      assert.deepEqual(await store.relay.fetch(NAMES, []), [])
    },
  },
  {
    name: 'fetch: each lane has its own cursor and limit',
    async run({ store }) {
      const [a, b] = ['key a', 'key d']
      const first = await insert(store, ...Array.from({ length: 5 }, () => newEvent({ partitionKey: a })))
      const second = await insert(
        store,
        ...Array.from({ length: 5 }, () => newEvent({ partitionKey: b, keyHash: (first[0]?.lane ?? 0) + 1 })),
      )
      const laneA = first[0]?.lane ?? -1
      const laneB = second[0]?.lane ?? -1
      assert.notEqual(laneA, laneB)
      const fetched = await store.relay.fetch(NAMES, [
        { lane: laneB, after: second[3]?.seq ?? 0, limit: 100 },
        { lane: laneA, after: first[0]?.seq ?? 0, limit: 2 },
      ])
      assert.deepEqual(
        fetched.map((row) => row.id),
        [first[1]?.id, first[2]?.id, second[4]?.id],
      )
    },
  },
  {
    name: 'fetch: the limit of a lane counts over all names, in seq order',
    async run({ store }) {
      const rows = await insert(
        store,
        ...['default', '', '', 'default', ''].map((publisherBackend) =>
          newEvent({ publisherBackend, partitionKey: 'k' }),
        ),
      )
      const fetched = await store.relay.fetch(NAMES, [{ lane: rows[0]?.lane ?? -1, after: 0, limit: 4 }])
      assert.deepEqual(
        fetched.map((row) => row.id),
        rows.slice(0, 4).map((row) => row.id),
      )
    },
  },
  {
    name: 'fetch: only the backend names asked for',
    async run({ store }) {
      const rows = await insert(
        store,
        newEvent(),
        newEvent({ publisherBackend: '' }),
        newEvent({ publisherBackend: 'other' }),
      )
      assert.deepEqual(
        (await fetchAll(store)).map((row) => row.id),
        [rows[0]?.id, rows[1]?.id],
      )
      assert.deepEqual(
        (await fetchAll(store, ['other'])).map((row) => row.id),
        [rows[2]?.id],
      )
      assert.deepEqual(await fetchAll(store, ['nobody']), [])
    },
  },
  {
    name: 'fetch: a row holds what a backend needs, and no more',
    async run({ store }) {
      await insertOne(store)
      const [row] = await fetchAll(store)
      assert.deepEqual(Object.keys(row ?? {}).toSorted(), SEND_COLUMNS.toSorted())
    },
  },
  {
    name: 'fetch: leaves out what is settled or parked, and reads without changing anything',
    async run({ store }) {
      const { ownership } = await own(store)
      const kinds = ['published', 'failed', 'parked', 'retry', 'sending', 'left'] as const
      const rows = await insert(store, ...kinds.map((eventType) => newEvent({ eventType })))
      const at = (n: number) => ({ id: rows[n]?.id ?? '', lane: rows[n]?.lane ?? -1 })
      const report = await store.relay.settle(ownership, [
        { kind: 'published', generation: 0, ...at(0) },
        { kind: 'failed', generation: 0, ...at(1), retryCount: 3, blocks: false, error: 'no' },
        { kind: 'park', generation: 0, ...at(2), delay: 3_600_000 },
        { kind: 'retry', generation: 0, ...at(3), retryCount: 1, delay: 3_600_000, error: 'no' },
        { kind: 'sending', generation: 0, ...at(4), retryCount: 1 },
      ])
      assert.deepEqual(report.lost, [])
      for (let pass = 0; pass < 2; pass++) {
        assert.deepEqual(
          (await fetchAll(store)).map((row) => row.eventType),
          ['sending', 'left'],
        )
      }
    },
  },
  {
    name: 'unpark: brings due events back, and says which lanes woke and when the next is due',
    async run({ store }) {
      const lanes = await allLanes(store)
      assert.deepEqual(await store.relay.unpark(NAMES, lanes, 100), { woken: [], nextDueIn: null })
      const soon = await insert(
        store,
        ...Array.from({ length: 3 }, () => newEvent({ partitionKey: 'k', delay: 80 })),
        newEvent({ partitionKey: 'k', delay: 3_600_000 }),
      )
      const waiting = await store.relay.unpark(NAMES, lanes, 100)
      if (waiting.woken.length === 0) assert.ok(waiting.nextDueIn !== null && waiting.nextDueIn <= 80)
      const woken = await until('three events are due', async () => {
        if ((await fetchAll(store)).length === 3) return waiting
        const report = await store.relay.unpark(NAMES, lanes, 100)
        return report.woken.length > 0 && report
      })
      // All three came due at one instant: one statement, one created_at.
      assert.deepEqual(woken.woken, [{ lane: soon[0]?.lane, firstSeq: soon[0]?.seq, count: 3 }])
      assert.ok(woken.nextDueIn !== null && woken.nextDueIn > 3_500_000 && woken.nextDueIn <= 3_600_000)
      assert.deepEqual(
        (await fetchAll(store)).map((row) => row.id),
        soon.slice(0, 3).map((row) => row.id),
      )
      assert.equal((await read(store, soon[0]?.id ?? '')).availableAt, null)
    },
  },
  {
    name: 'unpark: at most the limit for each lane, earliest due first, and more at once afterwards',
    async run({ store }) {
      const { ownership } = await own(store)
      const rows = await insert(store, ...Array.from({ length: 4 }, () => newEvent({ partitionKey: 'k' })))
      const lane = rows[0]?.lane ?? -1
      // The last inserted is due first.
      await store.relay.settle(
        ownership,
        rows.map(({ id }, n) => ({ kind: 'park', generation: 0, id, lane, delay: 40 - n * 10 })),
      )
      await until('all are due', async () => {
        const parked = await store.admin.list({
          where: [],
          order: [],
          limit: null,
          offset: 0,
          columns: ['availableAt', 'updatedAt'],
        })
        // The database's now, seen through a write: a row inserted after the last due time.
        const { createdAt } = await insertOne(store, { publisherBackend: 'clock' })
        return parked.every(({ availableAt }) => !availableAt || availableAt.getTime() < createdAt.getTime())
      })
      const first = await store.relay.unpark(NAMES, [lane], 1)
      assert.deepEqual(first, { woken: [{ lane, firstSeq: rows[3]?.seq, count: 1 }], nextDueIn: 0 })
      const second = await store.relay.unpark(NAMES, [lane], 2)
      assert.deepEqual(second, { woken: [{ lane, firstSeq: rows[1]?.seq, count: 2 }], nextDueIn: 0 })
      const third = await store.relay.unpark(NAMES, [lane], 2)
      assert.deepEqual(third, { woken: [{ lane, firstSeq: rows[0]?.seq, count: 1 }], nextDueIn: null })
    },
  },
  {
    name: 'unpark: other lanes, other backends and what waits behind a failed event stay parked',
    async run({ store }) {
      const { ownership } = await own(store)
      const row = await insertOne(store, { partitionKey: 'k' })
      const other = await insertOne(store, { publisherBackend: 'other', delay: 3_600_000 })
      await store.relay.settle(ownership, [{ kind: 'park', generation: 0, id: row.id, lane: row.lane, delay: null }])
      const lanes = await allLanes(store)
      assert.deepEqual(await store.relay.unpark(NAMES, lanes, 100), { woken: [], nextDueIn: null })
      const elsewhere = lanes.filter((lane) => lane !== other.lane)
      assert.deepEqual(await store.relay.unpark(['other'], elsewhere, 100), { woken: [], nextDueIn: null })
      assert.notEqual((await store.relay.unpark(['other'], [other.lane], 100)).nextDueIn, null)
      assert.deepEqual(await store.relay.unpark(NAMES, [], 100), { woken: [], nextDueIn: null })
    },
  },
]
