import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Status } from '../../record/status.ts'
import type { OperationMove } from '../../store/admin-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import { assertColumns, fetchedIds, idsOf, insertAll, insertOne, list, moveNow, newEvent, own, read } from './steps.ts'

const OTHER = 'other'

/** Copies for another backend. */
const copyOf = (eventId: string, told: object = {}) => newEvent({ eventId, publisherBackend: OTHER, ...told })

/** Begins and takes an operation; returns what its moves refer to. */
async function begin(store: Store): Promise<OperationMove> {
  const texts = { kind: 'replay', who: 'ops', reason: '', filter: '', conditions: '[]', params: '{}' }
  const entry = { who: 'ops', what: 'replay', target: '{}', reason: '' }
  const id = await store.operations.add({ ...texts, rate: null, matched: null }, entry)
  const owner = randomUUID()
  assert.equal((await store.operations.take(owner, 60_000))?.id, id)
  return { id, owner, after: null, end: null, leaveBusy: false, rate: null, movedBefore: 0, behind: 0, lease: 60_000 }
}

async function extensionsOf(store: Store, id: string): Promise<unknown> {
  return JSON.parse((await read(store, id)).extensions ?? 'null')
}

/** What becomes of copies of published events for another backend. */
export const copyCases: readonly StoreCase[] = [
  it('copy: stores rows as publish does, in their order', async ({ store }) => {
    const rows = ['a', 'b', 'c'].map((id, n) => copyOf(id, { partitionKey: 'k', data: `{"größe":${n}}` }))
    const ids = idsOf(rows)
    assert.deepEqual(await store.admin.move(ids, { kind: 'copy', rows }, []), { moved: ids, busy: [] })
    assert.deepEqual(await fetchedIds(store, [OTHER]), ids)
    assert.equal((await read(store, ids[1] ?? '')).data?.replaceAll(' ', ''), '{"größe":1}')
  }),
  it('copy: where the other backend has the event, its row is sent again unless it is to be sent anyway', async ({
    store,
  }) => {
    const { record } = await own(store, { backend: OTHER })
    const statuses: readonly Status[] = ['pending', 'retry', 'processing', 'published', 'failed', 'cancelled']
    const there = await insertAll(
      store,
      ...statuses.map((id) => ({ eventId: id, publisherBackend: OTHER, partitionKey: id, extensions: '{"a":1}' })),
    )
    const [, retry, processing, published, failed, cancelled] = there
    assert.ok(retry && processing && published && failed && cancelled)
    await record(
      ...[outcome.retry(retry), outcome.sending(processing), outcome.published(published), outcome.failed(failed)],
    )
    await moveNow(store, [cancelled.id], { kind: 'cancel' })
    const before = await read(store, retry.id)
    const rows = [...statuses.map((id) => copyOf(id)), copyOf('new')]
    const { moved, busy } = await store.admin.move(idsOf(rows), { kind: 'copy', rows }, [])
    assert.deepEqual([moved.toSorted(), busy], [idsOf(rows.slice(3)).toSorted(), []])
    for (const { id } of [published, failed, cancelled]) {
      assertColumns(await read(store, id), { status: 'pending', availableAt: null, publishedAt: null, retryCount: 0 })
      assert.deepEqual(await extensionsOf(store, id), { a: 1 })
    }
    assert.deepEqual(await read(store, retry.id), before)
    assert.equal((await list(store, ['id'])).length, statuses.length + 1)
  }),
  it('copy: two rows of one event make one, and none makes none', async ({ store }) => {
    const rows = [copyOf('a'), copyOf('a')]
    const { moved } = await store.admin.move(idsOf(rows), { kind: 'copy', rows }, [])
    assert.deepEqual(moved, [rows[0]?.id])
    assert.deepEqual(await store.admin.move([], { kind: 'copy', rows: [] }, []), { moved: [], busy: [] })
  }),
  it('copy, replay: an operation marks what it sends again, counts it, and never takes it twice', async ({ store }) => {
    const { record } = await own(store)
    const other = await own(store, { backend: OTHER })
    const operation = await begin(store)
    const [plain, marked] = await insertAll(store, {}, { extensions: '{"replay":"7","big":"1"}' })
    await record(outcome.published(plain), outcome.published(marked))
    const copied = await insertOne(store, { eventId: 'c', publisherBackend: OTHER })
    await other.record(outcome.published(copied))
    const copy = copyOf('c')
    const replayed = async (step: OperationMove) => {
      const own = await store.admin.move([plain.id, marked.id], { kind: 'replay' }, [], { step })
      const others = await store.admin.move([copy.id], { kind: 'copy', rows: [copy] }, [], { step })
      return [own.moved.length, others.moved.length]
    }
    assert.deepEqual(await replayed(operation), [2, 1])
    assert.deepEqual(await extensionsOf(store, plain.id), { replay: operation.id })
    assert.deepEqual(await extensionsOf(store, marked.id), { replay: operation.id, big: '1' })
    assert.deepEqual(await extensionsOf(store, copied.id), { replay: operation.id })
    // They are sent, and the step is repeated: its process died before it recorded the step.
    for (const row of [plain, marked]) await record(outcome.published(row, { generation: 1 }))
    await other.record(outcome.published(copied, { generation: 1 }))
    assert.deepEqual(await replayed(operation), [0, 0])
    const [told] = await store.operations.list({ id: operation.id, before: null, limit: 1 })
    assert.equal(told?.moved, 3)
    assert.deepEqual(await replayed(await begin(store)), [2, 1], 'another operation takes them')
  }),
]
