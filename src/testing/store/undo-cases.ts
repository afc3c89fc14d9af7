import assert from 'node:assert/strict'
import { FAR_FUTURE } from '../../record/columns.ts'
import type { Status } from '../../record/status.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import { answerHolds, assertColumns, idsOf, insert, LONG_HOLD, moveNow, newEvent, own, read } from './steps.ts'

const ALL = { after: null, limit: 1_000 }

/** Events in these statuses, each with a key of its own; the failed one blocks its key. */
async function events(store: Store, ...statuses: readonly Exclude<Status, 'processing'>[]): Promise<readonly string[]> {
  const { workerId, record } = await own(store)
  const rows = await insert(store, ...statuses.map((_, n) => newEvent({ partitionKey: `key ${n}` })))
  for (const [n, status] of statuses.entries()) {
    const row = rows[n]
    assert.ok(row)
    if (status === 'published') await record(outcome.published(row))
    if (status === 'failed') await record(outcome.failed(row, { retryCount: 3 }))
    if (status === 'retry') await record(outcome.retry(row, { retryCount: 2 }))
    if (status === 'cancelled') await moveNow(store, [row.id], { kind: 'cancel' })
  }
  await store.coordination.leave(workerId)
  return idsOf(rows)
}

async function begin(store: Store, what: string): Promise<number> {
  return store.audit.begin({ who: 'ops', what, target: '{}', reason: '', operation: null })
}

/** All but what each change of a row changes. */
async function stateOf(store: Store, id: string) {
  const { updatedAt: _, generation: _generation, ...state } = await read(store, id)
  return state
}

/** Undoing what an operator did, as far as nothing has become of it. */
export const undoCases: readonly StoreCase[] = [
  it('undo: what was requeued is what it was, and blocks its key again', async ({ store }) => {
    const ids = await events(store, 'failed', 'cancelled', 'retry')
    const before = await Promise.all(ids.map((id) => stateOf(store, id)))
    const entry = await begin(store, 'requeue')
    assert.equal((await store.admin.move(ids, { kind: 'requeue' }, [], { entry })).moved.length, 3)
    assert.deepEqual(await store.audit.moved(entry, ALL), ids.toSorted())
    assert.deepEqual((await moveNow(store, ids, { kind: 'undo', entry })).toSorted(), ids.toSorted())
    const [failed, cancelled, retry] = await Promise.all(ids.map((id) => stateOf(store, id)))
    assert.deepEqual(failed, before[0])
    assert.deepEqual(failed?.availableAt, FAR_FUTURE)
    assert.deepEqual(cancelled, before[1])
    assert.deepEqual(retry, before[2])
    assert.deepEqual(await store.audit.moved(entry, ALL), [])
    assert.deepEqual(await moveNow(store, ids, { kind: 'undo', entry }), [], 'once')
  }),
  it('undo: what was cancelled is to be delivered again, at its time', async ({ store }) => {
    const later = new Date('2500-01-01T00:00:00.000Z')
    const [pending = '', failed = '', retry = ''] = await events(store, 'pending', 'failed', 'retry')
    const [scheduled = ''] = idsOf(await insert(store, newEvent({ scheduledAt: later })))
    const ids = [pending, failed, retry, scheduled]
    const before = await Promise.all(ids.map((id) => stateOf(store, id)))
    const entry = await begin(store, 'cancel')
    assert.equal((await store.admin.move(ids, { kind: 'cancel' }, [], { entry })).moved.length, 4)
    await moveNow(store, ids, { kind: 'undo', entry })
    assert.deepEqual(await Promise.all(ids.map((id) => stateOf(store, id))), before)
    assertColumns(await read(store, scheduled), { status: 'pending', scheduledAt: later, availableAt: later })
  }),
  it('undo: one that did not block its key does not block it afterwards', async ({ store }) => {
    const ids = await events(store, 'failed')
    const [id = ''] = ids
    await moveNow(store, ids, { kind: 'skip' })
    const entry = await begin(store, 'requeue')
    await store.admin.move(ids, { kind: 'requeue' }, [], { entry })
    await moveNow(store, ids, { kind: 'undo', entry })
    assertColumns(await read(store, id), { status: 'failed', availableAt: null })
  }),
  it('undo: what was sent, tried or moved since stays, and is told', async ({ store }) => {
    const ids = await events(store, 'failed', 'failed', 'failed', 'failed')
    const [sent = '', tried = '', moved = '', free = ''] = ids
    const entry = await begin(store, 'requeue')
    await store.admin.move(ids, { kind: 'requeue' }, [], { entry })
    const { workerId, record } = await own(store)
    const at = async (id: string) => {
      const { lane, generation } = await read(store, id)
      return [{ id, lane: lane ?? -1 }, { generation }] as const
    }
    const [[one, of], [other, ofOther]] = await Promise.all([at(sent), at(tried)])
    await record(outcome.published(one, of), outcome.retry(other, { retryCount: 1, ...ofOther }))
    await store.coordination.leave(workerId)
    await moveNow(store, [moved], { kind: 'reschedule', at: new Date('2500-01-01T00:00:00.000Z') })
    const before = await Promise.all([sent, tried, moved].map((id) => read(store, id)))
    assert.deepEqual(await moveNow(store, ids, { kind: 'undo', entry }), [free])
    assert.deepEqual(await Promise.all([sent, tried, moved].map((id) => read(store, id))), before)
    assert.deepEqual(await store.audit.moved(entry, ALL), [sent, tried, moved].toSorted())
  }),
  it('undo: what a worker may be sending is asked for first', async ({ store }) => {
    const ids = await events(store, 'failed')
    const entry = await begin(store, 'requeue')
    await store.admin.move(ids, { kind: 'requeue' }, [], { entry })
    await own(store)
    assert.deepEqual(await store.admin.move(ids, { kind: 'undo', entry }, []), { moved: [], busy: ids })
    const holds = await store.admin.hold(ids, LONG_HOLD)
    await answerHolds(store, holds)
    assert.deepEqual(await store.admin.move(ids, { kind: 'undo', entry }, holds), { moved: ids, busy: [] })
  }),
  it('undo: what was moved twice under an entry goes back to where it was first; another entry undoes nothing', async ({
    store,
  }) => {
    const ids = await events(store, 'failed')
    const [id = ''] = ids
    const entry = await begin(store, 'requeue')
    const other = await begin(store, 'cancel')
    await store.admin.move(ids, { kind: 'cancel' }, [], { entry })
    await store.admin.move(ids, { kind: 'requeue' }, [], { entry })
    assert.deepEqual(await moveNow(store, ids, { kind: 'undo', entry: other }), [])
    assert.deepEqual(await moveNow(store, ids, { kind: 'undo', entry }), ids)
    assertColumns(await read(store, id), { status: 'failed', retryCount: 3, availableAt: FAR_FUTURE })
  }),
  it('undo: pages by id, and is forgotten with the entry', async ({ store }) => {
    const ids = (await events(store, 'failed', 'failed', 'failed')).toSorted()
    const [first = '', second = '', third = ''] = ids
    const entry = await begin(store, 'requeue')
    await store.admin.move(ids, { kind: 'requeue' }, [], { entry })
    assert.deepEqual(await store.audit.moved(entry, { after: null, limit: 2 }), [first, second])
    assert.deepEqual(await store.audit.moved(entry, { after: second, limit: 2 }), [third])
    await store.audit.prune({ age: 60_000, limit: 100 })
    assert.equal((await store.audit.moved(entry, ALL)).length, 3)
    await store.audit.prune({ age: 0, limit: 100 })
    assert.deepEqual(await store.audit.moved(entry, ALL), [])
  }),
]
