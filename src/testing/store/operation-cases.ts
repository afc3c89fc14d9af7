import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { StoredAuditEntry } from '../../store/audit-store.ts'
import type { NewOperation, StoredOperation } from '../../store/operation-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it, ofTwo } from './fixture.ts'
import { assertColumns, idsOf, insertAll, until } from './steps.ts'

const OPERATION: NewOperation = {
  kind: 'cancel',
  who: 'ops',
  reason: '',
  filter: 'status:failed',
  conditions: '[]',
  params: '{}',
  rate: null,
  matched: 3,
}
const LEASE = 60_000
/** Its entry in the audit. */
const ENTRY = { who: 'ops', what: 'cancel', target: '{}', reason: '' }
const STEP = { moved: 0, leftAlone: 0, position: null, pause: 0, lease: LEASE }

async function the(store: Store, id: number): Promise<StoredOperation> {
  const [found] = await store.operations.list({ id, before: null, limit: 10 })
  assert.equal(found?.id, id)
  return found
}

async function auditOf(store: Store, operation: number): Promise<StoredAuditEntry> {
  const [entry] = await store.audit.list({ operation, before: null, limit: 1 })
  assert.ok(entry)
  return entry
}

/** What operators do in the background. */
export const operationCases: readonly StoreCase[] = [
  it('operation: is kept as it was begun, and listed from the newest', async ({ store }) => {
    const { operations } = store
    const hostile = {
      who: 'Zo\u00eb',
      reason: "it's \u2615",
      filter: '"\\',
      conditions: '[1]',
      params: '{"a":2}',
      rate: 0.5,
    }
    const named = { who: 'Zo\u00eb', target: '{"filter":"\u2615"}' }
    const first = await operations.add({ ...OPERATION, ...hostile, matched: null }, { ...ENTRY, ...named })
    const second = await operations.add(OPERATION, ENTRY)
    assert.ok(second > first)
    const none = { endedAt: null, moved: 0, leftAlone: 0, position: null, error: null }
    assertColumns(await the(store, first), { ...OPERATION, ...hostile, ...none, matched: null, state: 'running' })
    assert.ok(Math.abs((await the(store, first)).beganAt.getTime() - Date.now()) < 60_000)
    const [entry] = await store.audit.list({ operation: first, before: null, limit: 10 })
    assertColumns(entry, {
      ...named,
      what: 'cancel',
      operation: first,
      outcome: 'running',
      id: (await the(store, first)).audit ?? 0,
    })
    const listed = async (before: number | null) => (await operations.list({ before, limit: 10 })).map(({ id }) => id)
    assert.deepEqual(await listed(null), [second, first])
    assert.deepEqual(await listed(second), [first])
  }),
  it('operation: is taken by one, under a lease, and by another when that ends', async ({ store }) => {
    const { operations } = store
    const [one, other] = [randomUUID(), randomUUID()]
    assert.equal(await operations.take(one, LEASE), undefined)
    const id = await operations.add(OPERATION, ENTRY)
    assert.equal((await operations.take(one, LEASE))?.id, id)
    assert.equal(await operations.take(other, LEASE), undefined)
    assert.equal((await operations.take(one, LEASE))?.id, id, 'it may be taken again by whoever has it')
    const [row] = await insertAll(store, {})
    assert.equal(await operations.advance(id, other, STEP), false)
    assert.equal(await operations.advance(id, one, { ...STEP, leftAlone: 2, position: row.id, lease: 1 }), true)
    const next = await until('the lease ends', () => operations.take(other, LEASE))
    assertColumns(next, { id, leftAlone: 2, position: row.id })
    assert.equal(await operations.advance(id, one, STEP), false)
    assert.equal(await operations.advance(id, other, { ...STEP, leftAlone: 1 }), true)
    assertColumns(await the(store, id), { leftAlone: 3, position: row.id })
  }),
  it('operation: pauses between steps, and stays whose it is', async ({ store }) => {
    const { operations } = store
    const owner = randomUUID()
    const id = await operations.add(OPERATION, ENTRY)
    await operations.take(owner, LEASE)
    await operations.advance(id, owner, { ...STEP, pause: 60_000 })
    assert.equal(await operations.take(owner, LEASE), undefined)
    assert.equal(await operations.take(randomUUID(), LEASE), undefined)
  }),
  it('operation: is paused, goes on and ends, each from a state that allows it', async ({ store }) => {
    const { operations } = store
    const owner = randomUUID()
    const id = await operations.add(OPERATION, ENTRY)
    await operations.take(owner, LEASE)
    assert.equal(await operations.change(id, ['running'], 'paused'), true)
    assert.equal(await operations.change(id, ['running'], 'paused'), false)
    assert.equal(await operations.advance(id, owner, STEP), false, 'whoever works on it is told')
    assert.equal(await operations.take(owner, LEASE), undefined)
    assert.equal((await the(store, id)).endedAt, null)
    assert.equal(await operations.change(id, ['paused'], 'running'), true)
    assert.equal((await operations.take(randomUUID(), LEASE))?.id, id)
    assert.equal(await operations.change(id, ['running', 'paused'], 'failed', 'away'), true)
    const ended = await the(store, id)
    assertColumns(ended, { state: 'failed', error: 'away' })
    assert.ok(ended.endedAt !== null && ended.endedAt >= ended.beganAt)
    assertColumns(await auditOf(store, id), { outcome: 'failed', error: 'away', counts: '{"moved":0,"leftAlone":0}' })
    assert.equal(await operations.change(id, ['running', 'paused'], 'cancelled'), false)
    assert.equal(await operations.take(owner, LEASE), undefined)
  }),
  ofTwo('operation: of two who take it one gets it', async (store, second) => {
    await store.operations.add(OPERATION, ENTRY)
    const taken = await Promise.all([store, second].map(({ operations }) => operations.take(randomUUID(), LEASE)))
    assert.equal(taken.filter((one) => one !== undefined).length, 1)
  }),
  it('walk: looks at so many rows by id, and returns those that match', async ({ store }) => {
    const rows = await insertAll(
      store,
      ...Array.from({ length: 7 }, (_, n) => ({ eventType: n % 3 === 0 ? 'a' : 'b' })),
    )
    const ids = idsOf(rows).toSorted()
    const where = [{ column: 'eventType', op: 'eq', value: 'a' }] as const
    const found: string[] = []
    const steps: (string | null)[] = []
    for (let after: string | null = null; ; ) {
      const walked = await store.admin.walk({ where, after, rows: 3, limit: 10 })
      found.push(...walked.ids)
      steps.push(walked.next)
      after = walked.next
      if (after === null) break
    }
    assert.deepEqual(found, [ids[0], ids[3], ids[6]])
    assert.deepEqual(steps, [ids[2], ids[5], null])
    const cut = await store.admin.walk({ where: [], after: ids[1] ?? null, rows: 5, limit: 2 })
    assert.deepEqual(cut, { ids: [ids[2], ids[3]], next: ids[3] })
  }),
  it('count: stops where it is told', async ({ store }) => {
    await insertAll(store, {}, {}, { eventType: 'other' })
    const where = [{ column: 'eventType', op: 'eq', value: 'order.created' }] as const
    assert.deepEqual([await store.admin.count(where, 1), await store.admin.count(where, 2)], [1, 2])
    assert.deepEqual([await store.admin.count(where, 3), await store.admin.count([], 2)], [2, 2])
  }),
]
