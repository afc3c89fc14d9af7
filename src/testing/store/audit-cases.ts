import assert from 'node:assert/strict'
import type { AuditQuery, NewAuditEntry } from '../../store/audit-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { assertColumns } from './steps.ts'

const ENTRY: NewAuditEntry = { who: 'ops', what: 'requeue', target: '{"ids":["a"]}', reason: '', operation: null }

async function begun(store: Store, ...entries: readonly Partial<NewAuditEntry>[]): Promise<readonly number[]> {
  const ids: number[] = []
  for (const entry of entries) ids.push(await store.audit.begin({ ...ENTRY, ...entry }))
  return ids
}

async function listed(store: Store, query: Partial<AuditQuery> = {}): Promise<readonly number[]> {
  return (await store.audit.list({ before: null, limit: 100, ...query })).map(({ id }) => id)
}

/** What operators did. */
export const auditCases: readonly StoreCase[] = [
  it('audit: tells what began, and how it ended', async ({ store }) => {
    const hostile = { who: 'Zo\u00eb', target: '{"filter":"\\\\ \' \u2615"}', reason: 'it\'s "mended"', operation: 7 }
    const [id = 0] = await begun(store, hostile)
    const [running] = await store.audit.list({ before: null, limit: 1 })
    assertColumns(running, {
      ...hostile,
      id,
      what: 'requeue',
      outcome: 'running',
      counts: '{}',
      endedAt: null,
      error: null,
    })
    assert.ok(Math.abs(Date.now() - running.at.getTime()) < 60_000)
    await store.audit.end(id, { outcome: 'failed', counts: '{"moved":3}', error: 'away' })
    const [ended] = await store.audit.list({ before: null, limit: 1 })
    assertColumns(ended, { ...hostile, id, outcome: 'failed', counts: '{"moved":3}', error: 'away', at: running.at })
    assert.ok(ended.endedAt !== null && ended.endedAt >= ended.at)
  }),
  it('audit: pages from the newest, by who, what, operation, and what its target names', async ({ store }) => {
    const [a = 0, b = 0, c = 0, d = 0] = await begun(
      store,
      { target: '{"ids":["0198c2a0-7c1e-7000-8000-000000000001"]}' },
      { who: 'other', what: 'skip' },
      { what: 'skip', operation: 3 },
      { target: '{"ids":["0198c2a0-7c1e-7000-8000-000000000001","x"]}' },
    )
    assert.ok(a < b && b < c && c < d, 'numbers go up')
    assert.deepEqual(await listed(store), [d, c, b, a])
    assert.deepEqual(await listed(store, { limit: 2 }), [d, c])
    assert.deepEqual(await listed(store, { limit: 2, before: c }), [b, a])
    assert.deepEqual(await listed(store, { who: 'ops' }), [d, c, a])
    assert.deepEqual(await listed(store, { what: 'skip' }), [c, b])
    assert.deepEqual(await listed(store, { who: 'ops', what: 'skip' }), [c])
    assert.deepEqual(await listed(store, { operation: 3 }), [c])
    assert.deepEqual(await listed(store, { naming: '0198c2a0-7c1e-7000-8000-000000000001' }), [d, a])
    assert.deepEqual(await listed(store, { naming: '%' }), [])
  }),
  it('audit: deletes what is old, the oldest first, so many at a time', async ({ store }) => {
    const [a = 0, b = 0, c = 0] = await begun(store, {}, {}, {})
    assert.equal(await store.audit.prune({ age: 3_600_000, limit: 10 }), 0)
    assert.equal(await store.audit.prune({ age: 0, limit: 2 }), 2)
    assert.deepEqual(await listed(store), [c])
    const [d = 0] = await begun(store, {})
    assert.ok(d > c && c > b && b > a)
    await store.audit.prune({ age: 0, limit: 10 })
    const [e = 0] = await begun(store, {})
    assert.ok(e > d, 'a number is not used again')
  }),
]
