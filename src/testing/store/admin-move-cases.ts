import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { FAR_FUTURE, type OutboxEventColumns } from '../../record/columns.ts'
import { errorCause } from '../../record/error-cause.ts'
import { STATUSES, type Status } from '../../record/status.ts'
import type { AdminMove } from '../../store/admin-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import {
  assertColumns,
  BACKEND,
  deleteNow,
  idsOf,
  insert,
  insertAll,
  insertOne,
  laneCount,
  laneOf,
  lanesOf,
  list,
  moveNow,
  newEvent,
  own,
  read,
} from './steps.ts'

/** One event in each status, keyed by it; the failed one blocks its key. */
async function oneOfEach(store: Store): Promise<ReadonlyMap<string, Status>> {
  const { record } = await own(store)
  const rows = await insert(store, ...STATUSES.map((status) => newEvent({ partitionKey: status })))
  const at = (status: Status) => {
    const row = rows[STATUSES.indexOf(status)]
    assert.ok(row)
    return row
  }
  await record(
    outcome.sending(at('processing')),
    outcome.published(at('published')),
    outcome.failed(at('failed'), { retryCount: 3 }),
    outcome.retry(at('retry'), { retryCount: 2 }),
  )
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
    if (allowed.includes(from)) {
      check(row, from)
      // The last error stays until the next attempt fails.
      const { lastError, attempts } = before.get(id) ?? row
      assert.deepEqual(row.attempts, attempts, `${move.kind} adds nothing to the history`)
      if (!('error' in move)) assert.equal(row.lastError, lastError, `${move.kind} keeps the last error`)
      assert.ok(lastError !== '' || (from !== 'failed' && from !== 'retry'), `${from} has an error`)
    } else assert.deepEqual(row, before.get(id), `${move.kind} leaves ${from} alone`)
  }
}

/** What operators may do, and what it changes. */
export const adminMoveCases: readonly StoreCase[] = [
  it('move: requeue takes failed, cancelled and retry back to pending, now, with all retries', ({ store }) =>
    expectMove(store, { kind: 'requeue' }, ['failed', 'cancelled', 'retry'], (row) => {
      assertColumns(row, { status: 'pending', retryCount: 0, availableAt: null })
      assert.ok(row.scheduledAt.getTime() <= row.updatedAt.getTime())
    })),
  it('move: replay sends a published event again', ({ store }) =>
    expectMove(store, { kind: 'replay' }, ['published'], (row) => {
      assertColumns(row, { status: 'pending', retryCount: 0, availableAt: null, publishedAt: null })
    })),
  it('move: skip leaves a failed event failed, but not in the way', ({ store }) =>
    expectMove(store, { kind: 'skip' }, ['failed'], (row) => {
      assertColumns(row, { status: 'failed', availableAt: null, retryCount: 3 })
    })),
  it('move: cancel takes everything that was not delivered', ({ store }) =>
    expectMove(store, { kind: 'cancel' }, ['pending', 'retry', 'processing', 'failed'], (row) => {
      assertColumns(row, { status: 'cancelled', availableAt: null })
    })),
  it('move: markPublished', ({ store }) =>
    expectMove(store, { kind: 'markPublished' }, ['pending', 'retry', 'processing', 'failed', 'cancelled'], (row) => {
      assertColumns(row, { status: 'published', availableAt: null, publishedAt: row.updatedAt })
    })),
  it('move: markFailed stores the error and blocks the key', async ({ store }) => {
    await expectMove(
      store,
      { kind: 'markFailed', error: 'given up' },
      ['pending', 'retry', 'processing'],
      (row, from) => {
        assertColumns(row, {
          status: 'failed',
          lastError: 'given up',
          availableAt: FAR_FUTURE,
          retryCount: { retry: 2, processing: 1 }[from as string] ?? 0,
        })
      },
    )
    const { id } = await insertOne(store)
    await moveNow(store, [id], { kind: 'markFailed', error: 'given up' })
    assert.equal((await read(store, id)).availableAt, null, 'without a key it holds nothing')
  }),
  it('move: incrementRetry counts up to the maximum and then fails', async ({ store }) => {
    await expectMove(
      store,
      { kind: 'incrementRetry', error: 'no', delay: 120_000 },
      ['pending', 'retry', 'processing'],
      (row, from) => {
        assert.equal(row.lastError, 'no')
        assertColumns(row, errorCause('no'))
        if (from === 'retry') {
          assertColumns(row, { status: 'failed', retryCount: 3, availableAt: FAR_FUTURE })
          return
        }
        assertColumns(row, { status: 'retry', retryCount: from === 'processing' ? 2 : 1, availableAt: row.scheduledAt })
        assert.ok(Math.abs(row.scheduledAt.getTime() - row.updatedAt.getTime() - 120_000) <= 1)
      },
    )
  }),
  it('move: reschedule moves the due time of an unsettled event, to later or to now', async ({ store }) => {
    const at = new Date('2400-05-06T07:08:09.123Z')
    await expectMove(store, { kind: 'reschedule', at }, ['pending', 'retry', 'processing'], (row) => {
      assertColumns(row, { scheduledAt: at, availableAt: at })
    })
    const { id } = await insertOne(store, { delay: 3_600_000 })
    const past = new Date('2002-03-04T05:06:07.089Z')
    assert.deepEqual(await moveNow(store, [id], { kind: 'reschedule', at: past }), [id])
    const row = await read(store, id)
    assertColumns(row, { scheduledAt: past, availableAt: null, status: 'pending' })
  }),
  it('move: lanes of what moved get attention, no others', async ({ store }) => {
    const lanes = await laneCount(store)
    await own(store)
    const row = await insertOne(store, { keyHash: 1, partitionKey: 'k' })
    const unmoved = await insertOne(store, { keyHash: 2, partitionKey: 'l' })
    const before = await store.coordination.survey([BACKEND])
    assert.deepEqual(await moveNow(store, [row.id], { kind: 'cancel' }), [row.id])
    assert.deepEqual(await moveNow(store, [unmoved.id], { kind: 'replay' }), [])
    const after = await store.coordination.survey([BACKEND])
    const attentionBefore = new Map(before.lanes.map(({ lane, attention }) => [lane, attention]))
    const raised = after.lanes.filter(({ lane, attention }) => attention > (attentionBefore.get(lane) ?? 0))
    assert.deepEqual(lanesOf(raised), [row.lane])
    assert.equal(after.lanes.length, lanes)
  }),
  it('move: an event without a backend name gives attention to the lane of whoever answers', async ({ store }) => {
    await own(store)
    const row = await insertOne(store, { publisherBackend: '' })
    const { attention } = await laneOf(store, row.lane)
    await moveNow(store, [row.id], { kind: 'cancel' })
    assert.ok((await laneOf(store, row.lane)).attention > attention)
  }),
  it('move: ids that are not there, or no ids, move nothing', async ({ store }) => {
    const { id } = await insertOne(store)
    assert.deepEqual(await moveNow(store, [randomUUID(), id], { kind: 'cancel' }), [id])
    assert.deepEqual(await moveNow(store, [], { kind: 'cancel' }), [])
  }),
  it('delete: removes by id, unsettled ones included', async ({ store }) => {
    const [first, second, last] = await insertAll(store, {}, {}, {})
    const deleted = await deleteNow(store, first.id, last.id, randomUUID())
    assert.deepEqual(deleted.toSorted(), [first.id, last.id].toSorted())
    assert.deepEqual(await deleteNow(store), [])
    assert.deepEqual(idsOf(await list(store, ['id'])), [second.id])
  }),
]
