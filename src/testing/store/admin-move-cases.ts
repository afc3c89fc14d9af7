import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { FAR_FUTURE, type OutboxEventColumns } from '../../record/columns.ts'
import { STATUSES, type Status } from '../../record/status.ts'
import type { AdminMove } from '../../store/admin-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { BACKEND, deleteNow, insert, insertOne, laneCount, laneOf, moveNow, newEvent, own, read } from './steps.ts'

/** One event in each status, keyed by it; the failed one blocks its key. */
async function oneOfEach(store: Store): Promise<ReadonlyMap<string, Status>> {
  const { ownership } = await own(store)
  const rows = await insert(store, ...STATUSES.map((status) => newEvent({ partitionKey: status })))
  const at = (status: Status) => {
    const row = rows[STATUSES.indexOf(status)]
    assert.ok(row)
    return { id: row.id, lane: row.lane }
  }
  const report = await store.relay.settle(ownership, [
    { kind: 'sending', generation: 0, ...at('processing'), retryCount: 1 },
    { kind: 'published', generation: 0, ...at('published') },
    { kind: 'failed', generation: 0, ...at('failed'), retryCount: 3, blocks: true, error: 'bad' },
    { kind: 'retry', generation: 0, ...at('retry'), retryCount: 2, delay: 60_000, error: 'no' },
  ])
  assert.deepEqual(report.lost, [])
  assert.equal((await moveNow(store, [at('cancelled').id], { kind: 'cancel' })).length, 1)
  return new Map(rows.map((row, n) => [row.id, STATUSES[n] ?? 'pending']))
}

/** Applies a move to an event in each status; checks which may move, and hands each one moved to `check`. */
async function expectMove(
  store: Store,
  move: AdminMove,
  allowed: readonly Status[],
  check: (row: OutboxEventColumns, from: Status) => void,
): Promise<void> {
  const events = await oneOfEach(store)
  const ids = [...events.keys()]
  const before = new Map(await Promise.all(ids.map(async (id) => [id, await read(store, id)] as const)))
  const moved = await moveNow(store, ids, move)
  assert.deepEqual(moved.map((id) => events.get(id)).toSorted(), allowed.toSorted(), move.kind)
  for (const [id, from] of events) {
    const row = await read(store, id)
    if (allowed.includes(from)) check(row, from)
    else assert.deepEqual(row, before.get(id), `${move.kind} leaves ${from} alone`)
  }
}

/** What operators may do, and what it changes. */
export const adminMoveCases: readonly StoreCase[] = [
  {
    name: 'move: requeue takes failed, cancelled and retry back to pending, now, with all retries',
    run: ({ store }) =>
      expectMove(store, { kind: 'requeue' }, ['failed', 'cancelled', 'retry'], (row) => {
        assert.equal(row.status, 'pending')
        assert.equal(row.retryCount, 0)
        assert.equal(row.availableAt, null)
        assert.ok(row.scheduledAt.getTime() <= row.updatedAt.getTime())
      }),
  },
  {
    name: 'move: replay sends a published event again',
    run: ({ store }) =>
      expectMove(store, { kind: 'replay' }, ['published'], (row) => {
        assert.equal(row.status, 'pending')
        assert.equal(row.retryCount, 0)
        assert.equal(row.availableAt, null)
        assert.equal(row.publishedAt, null)
      }),
  },
  {
    name: 'move: skip leaves a failed event failed, but not in the way',
    run: ({ store }) =>
      expectMove(store, { kind: 'skip' }, ['failed'], (row) => {
        assert.equal(row.status, 'failed')
        assert.equal(row.availableAt, null)
        assert.equal(row.retryCount, 3)
      }),
  },
  {
    name: 'move: cancel takes everything that was not delivered',
    run: ({ store }) =>
      expectMove(store, { kind: 'cancel' }, ['pending', 'retry', 'processing', 'failed'], (row) => {
        assert.equal(row.status, 'cancelled')
        assert.equal(row.availableAt, null)
      }),
  },
  {
    name: 'move: markPublished',
    run: ({ store }) =>
      expectMove(store, { kind: 'markPublished' }, ['pending', 'retry', 'processing', 'failed', 'cancelled'], (row) => {
        assert.equal(row.status, 'published')
        assert.equal(row.availableAt, null)
        assert.equal(row.publishedAt?.getTime(), row.updatedAt.getTime())
      }),
  },
  {
    name: 'move: markFailed stores the error and blocks the key',
    async run({ store }) {
      await expectMove(
        store,
        { kind: 'markFailed', error: 'given up' },
        ['pending', 'retry', 'processing'],
        (row, from) => {
          assert.equal(row.status, 'failed')
          assert.equal(row.lastError, 'given up')
          assert.equal(row.availableAt?.getTime(), FAR_FUTURE.getTime())
          assert.equal(row.retryCount, { retry: 2, processing: 1 }[from as string] ?? 0)
        },
      )
      const { id } = await insertOne(store)
      await moveNow(store, [id], { kind: 'markFailed', error: 'given up' })
      assert.equal((await read(store, id)).availableAt, null, 'without a key it holds nothing')
    },
  },
  {
    name: 'move: incrementRetry counts up to the maximum and then fails',
    async run({ store }) {
      await expectMove(
        store,
        { kind: 'incrementRetry', error: 'no', delay: 120_000 },
        ['pending', 'retry', 'processing'],
        (row, from) => {
          assert.equal(row.lastError, 'no')
          if (from === 'retry') {
            assert.equal(row.status, 'failed')
            assert.equal(row.retryCount, 3)
            assert.equal(row.availableAt?.getTime(), FAR_FUTURE.getTime())
            return
          }
          assert.equal(row.status, 'retry')
          assert.equal(row.retryCount, from === 'processing' ? 2 : 1)
          assert.equal(row.availableAt?.getTime(), row.scheduledAt.getTime())
          assert.ok(Math.abs(row.scheduledAt.getTime() - row.updatedAt.getTime() - 120_000) <= 1)
        },
      )
    },
  },
  {
    name: 'move: reschedule moves the due time of an unsettled event, to later or to now',
    async run({ store }) {
      const at = new Date('2400-05-06T07:08:09.123Z')
      await expectMove(store, { kind: 'reschedule', at }, ['pending', 'retry', 'processing'], (row) => {
        assert.equal(row.scheduledAt.getTime(), at.getTime())
        assert.equal(row.availableAt?.getTime(), at.getTime())
      })
      const { id } = await insertOne(store, { delay: 3_600_000 })
      const past = new Date('2002-03-04T05:06:07.089Z')
      assert.deepEqual(await moveNow(store, [id], { kind: 'reschedule', at: past }), [id])
      const row = await read(store, id)
      assert.equal(row.scheduledAt.getTime(), past.getTime())
      assert.equal(row.availableAt, null)
      assert.equal(row.status, 'pending')
    },
  },
  {
    name: 'move: lanes of what moved get attention, no others',
    async run({ store }) {
      const lanes = await laneCount(store)
      await own(store)
      const row = await insertOne(store, { keyHash: 1, partitionKey: 'k' })
      const unmoved = await insertOne(store, { keyHash: 2, partitionKey: 'l' })
      const before = await store.coordination.survey([BACKEND])
      assert.deepEqual(await moveNow(store, [row.id], { kind: 'cancel' }), [row.id])
      assert.deepEqual(await moveNow(store, [unmoved.id], { kind: 'replay' }), [])
      const after = await store.coordination.survey([BACKEND])
      const raised = after.lanes.filter(
        (lane) => lane.attention > (before.lanes.find((each) => each.lane === lane.lane)?.attention ?? 0),
      )
      assert.deepEqual(
        raised.map((lane) => lane.lane),
        [row.lane],
      )
      assert.equal(after.lanes.length, lanes)
    },
  },
  {
    name: 'move: an event without a backend name gives attention to the lane of whoever answers',
    async run({ store }) {
      await own(store)
      const row = await insertOne(store, { publisherBackend: '' })
      const { attention } = await laneOf(store, row.lane)
      await moveNow(store, [row.id], { kind: 'cancel' })
      assert.ok((await laneOf(store, row.lane)).attention > attention)
    },
  },
  {
    name: 'move: ids that are not there, or no ids, move nothing',
    async run({ store }) {
      const { id } = await insertOne(store)
      assert.deepEqual(await moveNow(store, [randomUUID(), id], { kind: 'cancel' }), [id])
      assert.deepEqual(await moveNow(store, [], { kind: 'cancel' }), [])
    },
  },
  {
    name: 'delete: removes by id, unsettled ones included',
    async run({ store }) {
      const rows = await insert(store, newEvent(), newEvent(), newEvent())
      const [first, , last] = rows.map(({ id }) => id)
      const deleted = await deleteNow(store, first ?? '', last ?? '', randomUUID())
      assert.deepEqual(deleted.toSorted(), [first, last].toSorted())
      assert.deepEqual(await deleteNow(store), [])
      const left = await store.admin.list({ where: [], order: [], limit: null, offset: 0, columns: ['id'] })
      assert.deepEqual(
        left.map((row) => row.id),
        [rows[1]?.id],
      )
    },
  },
]
