import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type FlowCounts, type FlowRow, MOST_OUTAGES, TOOK_COUNTS } from '../../store/history-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { assertColumns, BACKEND, insert, insertAll, newEvent, own } from './steps.ts'

const flowOf = (backend: string, given: Partial<FlowCounts> = {}): FlowCounts => {
  const took = new Array<number>(TOOK_COUNTS).fill(0)
  return { backend, delivered: 0, retried: 0, failed: 0, took, ...given }
}

const took = (...counts: readonly number[]): readonly number[] =>
  Array.from({ length: TOOK_COUNTS }, (_, n) => counts[n] ?? 0)

/** What is added up of one backend; a test may begin in one minute and end in the next. */
async function sumOf(
  store: Store,
  backend: string,
): Promise<Pick<FlowRow, 'delivered' | 'retried' | 'failed' | 'took'>> {
  const { rows } = await store.history.flow(60, 3)
  const own = rows.filter((row) => row.backend === backend)
  const sum = (of: (row: FlowRow) => number): number => own.reduce((all, row) => all + of(row), 0)
  return {
    delivered: sum((row) => row.delivered),
    retried: sum((row) => row.retried),
    failed: sum((row) => row.failed),
    took: Array.from({ length: TOOK_COUNTS }, (_, n) => sum((row) => row.took[n] ?? 0)),
  }
}

const OF_BACKEND = { backend: BACKEND, destination: '' }

/** Rates, times to delivery and outages. */
export const historyCases: readonly StoreCase[] = [
  it('history: counts of several workers are added up, in each length of span', async ({ store }) => {
    const one = flowOf(BACKEND, { delivered: 10, retried: 2, failed: 1, took: took(1, 2, 7) })
    const hostile = `it's "a" \\ b\u00e9`
    await store.history.count({ seq: 0, backends: [one, flowOf(hostile, { delivered: 1 })] })
    await store.history.count({ seq: 0, backends: [flowOf(BACKEND, { delivered: 5, took: took(0, 0, 0, 5) })] })
    assert.deepEqual(await sumOf(store, BACKEND), { delivered: 15, retried: 2, failed: 1, took: took(1, 2, 7, 5) })
    assert.equal((await sumOf(store, hostile)).delivered, 1)
    for (const seconds of [60, 900, 3_600] as const) {
      const { now, rows } = await store.history.flow(seconds, 1)
      assert.ok(Math.abs(Date.now() - now.getTime()) < 60_000)
      const own = rows.filter((row) => row.backend === BACKEND)
      assert.equal(
        own.reduce((all, row) => all + row.delivered, 0),
        15,
      )
      for (const { began } of rows) {
        assert.equal(began % seconds, 0)
        assert.ok(began * 1_000 <= now.getTime() && began * 1_000 > now.getTime() - 2 * seconds * 1_000)
      }
    }
  }),
  it('history: of the outbox as a whole the greatest number given out is kept', async ({ store }) => {
    await insert(store, newEvent(), newEvent(), newEvent())
    await store.history.count({ seq: 0, backends: [] })
    const seq = async (): Promise<number> =>
      Math.max(...(await store.history.flow(60, 3)).rows.filter(({ backend }) => backend === '').map((row) => row.seq))
    const first = await seq()
    assert.ok(first >= 3, `${first}`)
    await insert(store, newEvent(), newEvent())
    await store.history.count({ seq: 0, backends: [] })
    assert.equal(await seq(), first + 2)
    await store.history.count({ seq: first + 100, backends: [] })
    assert.equal(await seq(), first + 100, 'what a worker saw counts, too')
    await store.history.count({ seq: 1, backends: [] })
    assert.equal(await seq(), first + 100, 'and it never goes down')
  }),
  it('history: rows tell how long their delivery took', async ({ store }) => {
    const [one, two] = await insertAll(store, {}, {})
    const { record } = await own(store)
    await record({ kind: 'published', id: one.id, lane: one.lane, generation: 0 })
    const rows = await store.history.timed([one.id, two.id, randomUUID()])
    assert.equal(rows.length, 2)
    const [delivered] = rows.filter(({ publishedAt }) => publishedAt !== null)
    assertColumns(delivered, { createdAt: one.createdAt, scheduledAt: one.scheduledAt, retryCount: 0, attempts: null })
    assert.ok(delivered.publishedAt !== null && delivered.publishedAt >= one.createdAt)
    assert.deepEqual(await store.history.timed([]), [])
  }),
  it('history: an outage begins, is tried, and ends', async ({ store }) => {
    const { history } = store
    const reason = `connect ECONNREFUSED "it's" \\ \u2615`
    await history.opened(OF_BACKEND, 'worker-1', reason)
    const [open] = await history.outages({ before: null, limit: 10 })
    assertColumns(open, { ...OF_BACKEND, openedBy: 'worker-1', reason, probes: 0, probedAt: null, lastError: '' })
    assertColumns(open, { closedAt: null, closedBy: '' })
    assert.ok(Math.abs(Date.now() - (open?.openedAt.getTime() ?? 0)) < 60_000)
    await history.probed(OF_BACKEND)
    await history.stillDown(OF_BACKEND, 'still refused')
    await history.probed(OF_BACKEND)
    await history.closed(OF_BACKEND, 'worker-2')
    const [closed] = await history.outages({ before: null, limit: 10 })
    assertColumns(closed, { id: open?.id, reason, probes: 2, lastError: 'still refused', closedBy: 'worker-2' })
    assert.ok(closed?.probedAt && closed.closedAt && closed.closedAt >= closed.openedAt)
    await history.probed(OF_BACKEND)
    await history.closed(OF_BACKEND, 'late')
    const [after] = await history.outages({ before: null, limit: 10 })
    assert.deepEqual(after, closed, 'what has ended stays as it ended')
  }),
  it('history: places behind a backend have their own, and one that is opened again has ended', async ({ store }) => {
    const { history } = store
    const place = { backend: BACKEND, destination: 'https://partner.example' }
    await history.opened(OF_BACKEND, 'a', 'one')
    await history.opened(place, 'a', 'two')
    await history.opened({ backend: 'other', destination: '' }, 'a', 'three')
    await history.closed(place, 'b')
    await history.opened(OF_BACKEND, 'c', 'four')
    const all = await history.outages({ before: null, limit: 10 })
    assert.deepEqual(
      all.map(({ reason, closedAt, closedBy }) => [reason, closedAt !== null, closedBy]),
      [
        ['four', false, ''],
        ['three', false, ''],
        ['two', true, 'b'],
        ['one', true, ''],
      ],
    )
    const own = await history.outages({ backend: BACKEND, before: null, limit: 2 })
    assert.deepEqual(
      own.map(({ reason }) => reason),
      ['four', 'two'],
    )
    const rest = await history.outages({ backend: BACKEND, before: own.at(-1)?.id ?? null, limit: 2 })
    assert.deepEqual(
      rest.map(({ reason }) => reason),
      ['one'],
    )
  }),
  it('history: of each backend a bounded number of outages is kept', async ({ store }) => {
    const { history } = store
    await history.opened({ backend: 'other', destination: '' }, 'a', 'stays')
    for (let n = 0; n < MOST_OUTAGES + 3; n++) await history.opened(OF_BACKEND, 'a', String(n))
    const kept = await history.outages({ backend: BACKEND, before: null, limit: 2 * MOST_OUTAGES })
    assert.equal(kept.length, MOST_OUTAGES)
    assert.equal(kept.at(-1)?.reason, '3')
    assert.equal((await history.outages({ backend: 'other', before: null, limit: 10 })).length, 1)
  }),
]
