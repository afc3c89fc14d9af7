import assert from 'node:assert/strict'
import { FAR_FUTURE } from '../../record/columns.ts'
import { errorCause } from '../../record/error-cause.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { guardedOutcomes, outcome } from './sample-outcomes.ts'
import {
  assertColumns,
  fetchAll,
  idsOf,
  insert,
  insertAll,
  insertOne,
  newEvent,
  own,
  read,
  untilUnparked,
} from './steps.ts'

/** Settle: the outcome of each event, recorded once, by the owner. */
export const settleCases: readonly StoreCase[] = [
  it('settle: published', async ({ store }) => {
    const { record } = await own(store)
    const [a, b] = await insertAll(store, {}, {})
    await record(outcome.published(a), outcome.published(b, { progress: '{"entry":"1-0"}' }))
    const stored = await read(store, a.id)
    assert.equal(stored.status, 'published')
    assert.ok(stored.publishedAt && stored.publishedAt.getTime() >= stored.createdAt.getTime())
    assertColumns(stored, { updatedAt: stored.publishedAt, availableAt: null, progress: null })
    assert.equal((await read(store, b.id)).progress, '{"entry":"1-0"}')
    assert.deepEqual(await fetchAll(store), [])
  }),
  it('settle: published takes back an attempt that was counted before the send', async ({ store }) => {
    const { ownership, record } = await own(store)
    const rows = await insertAll(store, {}, {}, {}, {})
    await record(...rows.map((row) => outcome.sending(row, { retryCount: 3 })))
    const [plain, back, both, alone] = rows
    await record(outcome.published(plain), outcome.published(back, { retryCount: 2 }))
    await record(outcome.published(both, { retryCount: 0, progress: '{"entry":"1-0"}' }))
    const told = outcome.published(alone, { retryCount: 1 })
    assert.equal((await store.relay.settleInTransaction(ownership, async () => told)).recorded, true)
    const stored = await Promise.all(rows.map(({ id }) => read(store, id)))
    assert.deepEqual(
      stored.map(({ status, retryCount }) => [status, retryCount]),
      [3, 2, 0, 1].map((count) => ['published', count]),
    )
    assert.equal(stored[2]?.progress, '{"entry":"1-0"}')
  }),
  it('settle: a retry that spends no attempt waits, and adds nothing to the history', async ({ store }) => {
    const { record } = await own(store)
    const { id, lane } = await insertOne(store, { partitionKey: 'k' })
    const retry = (retryCount: number, delay: number, error: string) =>
      record(outcome.retry({ id, lane }, { retryCount, delay, error }))
    const history = async () => (JSON.parse((await read(store, id)).attempts ?? '[]') as unknown[]).length
    await retry(0, 60_000, 'waits for a.example')
    assert.equal(await history(), 0)
    assert.equal((await read(store, id)).lastError, 'waits for a.example')
    await retry(1, 60_000, 'refused')
    assert.equal(await history(), 1)
    await retry(1, 60_000, 'waits for a.example')
    await retry(1, 60_000, 'waits for a.example')
    assert.equal(await history(), 1)
    const stored = await read(store, id)
    assert.deepEqual([stored.status, stored.retryCount], ['retry', 1])
    assert.ok(stored.availableAt)
    // The control: a send that was recorded as begun was an attempt, and has counted it already.
    await retry(1, 0, 'waits for a.example')
    await untilUnparked(store, [id])
    await record(outcome.sending({ id, lane }, { retryCount: 2 }))
    await retry(2, 60_000, 'killed its worker')
    assert.equal(await history(), 2)
  }),
  it('settle: retry waits, remembers the error and adds to the history', async ({ store }) => {
    const { record } = await own(store, { name: 'host:42' })
    const row = await insertOne(store, { partitionKey: 'k' })
    await record(outcome.retry(row, { error: 'connection "refused"', progress: '{"done":["a"]}' }))
    const stored = await read(store, row.id)
    assertColumns(stored, {
      status: 'retry',
      retryCount: 1,
      lastError: 'connection "refused"',
      ...errorCause('connection "refused"'),
      availableAt: stored.scheduledAt,
    })
    assert.ok(Math.abs(stored.scheduledAt.getTime() - stored.updatedAt.getTime() - 60_000) <= 1)
    assert.equal(stored.progress, '{"done":["a"]}')
    const attempts: { at: string; worker: string; error: string }[] = JSON.parse(stored.attempts ?? '')
    assert.equal(attempts.length, 1)
    assert.equal(attempts[0]?.worker, 'host:42')
    assert.equal(attempts[0]?.error, 'connection "refused"')
    assert.match(attempts[0]?.at ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/)
    assert.ok(Math.abs(Date.parse(attempts[0]?.at ?? '') - stored.updatedAt.getTime()) <= 1)
  }),
  it('settle: the code and the fingerprint of the last error are those of its text', async ({ store }) => {
    const { record } = await own(store)
    const [one, other, plain, left] = await insertAll(store, {}, {}, {}, {})
    const refused = (port: number) => `connect to 10.0.0.1:${port} failed [ECONNREFUSED]`
    await record(outcome.failed(one, { error: refused(5432) }), outcome.retry(other, { error: refused(80) }))
    await record(outcome.failed(plain, { error: 'no code\0' }))
    const [first, second, third, none] = await Promise.all([one, other, plain, left].map(({ id }) => read(store, id)))
    assert.equal(first?.errorCode, 'ECONNREFUSED')
    assert.match(first?.errorFingerprint ?? '', /^[\da-f]{16}$/)
    assertColumns(second, { errorCode: 'ECONNREFUSED', errorFingerprint: first?.errorFingerprint })
    assertColumns(third, errorCause('no code'))
    assertColumns(none, { errorCode: null, errorFingerprint: null })
    await record(outcome.retry(other, { retryCount: 2, error: 'something else' }))
    assertColumns(await read(store, other.id), errorCause('something else'))
  }),
  it('settle: a retry comes back when due', async ({ store }) => {
    const { record } = await own(store)
    const { id, lane } = await insertOne(store)
    await record(outcome.retry({ id, lane }, { retryCount: 2, delay: 30 }))
    await untilUnparked(store, [id])
    const [row] = await fetchAll(store)
    assertColumns(row, { status: 'retry', retryCount: 2 })
  }),
  it('settle: the attempt history keeps the last ten', async ({ store }) => {
    const { record } = await own(store)
    const { id, lane } = await insertOne(store)
    for (let n = 1; n <= 11; n++) {
      await record(outcome.retry({ id, lane }, { retryCount: n, delay: 0, error: `error ${n}` }))
    }
    await record(outcome.failed({ id, lane }, { retryCount: 12, blocks: false, error: 'error 12' }))
    const attempts: { error: string }[] = JSON.parse((await read(store, id)).attempts ?? '')
    assert.deepEqual(
      attempts.map((attempt) => attempt.error),
      Array.from({ length: 10 }, (_, n) => `error ${n + 3}`),
    )
  }),
  it('settle: failed blocks its key only when it is told to and has one', async ({ store }) => {
    const { record } = await own(store)
    const rows = await insertAll(store, { partitionKey: 'a' }, { partitionKey: 'b' }, { partitionKey: null })
    await record(...rows.map((row, n) => outcome.failed(row, { retryCount: 3, blocks: n !== 1 })))
    const stored = await Promise.all(rows.map((row) => read(store, row.id)))
    assert.deepEqual(
      stored.map((row) => row.availableAt?.getTime() ?? null),
      [FAR_FUTURE.getTime(), null, null],
    )
    for (const row of stored) {
      assertColumns(row, { status: 'failed', retryCount: 3, lastError: 'bad' })
      assert.equal(JSON.parse(row.attempts ?? '').length, 1)
    }
  }),
  it('settle: park leaves all but the time as it is', async ({ store }) => {
    const { record } = await own(store)
    const [timed, held] = await insertAll(store, {}, { partitionKey: 'k' })
    await record(outcome.park(timed, { delay: 60_000 }), outcome.park(held))
    const stored = await read(store, timed.id)
    assertColumns(stored, { status: 'pending', retryCount: 0, attempts: null, scheduledAt: timed.scheduledAt })
    const delay = (stored.availableAt?.getTime() ?? 0) - timed.createdAt.getTime()
    assert.ok(delay >= 60_000 && delay < 120_000)
    assert.equal((await read(store, held.id)).availableAt?.getTime(), FAR_FUTURE.getTime())
  }),
  it('settle: what is parked behind a retry is due with it, and not parked once that one is back', async (fixture) => {
    const { store } = fixture
    const { record } = await own(store)
    const key = { partitionKey: 'k' }
    const [head, one, two] = await insertAll(store, key, key, key)
    const park = (row: typeof one) => outcome.park(row, { delay: 9_000, behind: head.id })
    await record(outcome.retry(head, { delay: 50 }), park(one))
    const due = (await read(store, head.id)).availableAt?.getTime()
    assert.equal((await read(store, one.id)).availableAt?.getTime(), due)
    await untilUnparked(store, [head.id])
    await record(park(two))
    assert.equal((await read(store, two.id)).availableAt, null)
  }),
  it('settle: sending is recorded before a send, and returned gives it back', async ({ store }) => {
    const { record } = await own(store)
    const [a, b] = await insertAll(store, {}, {})
    await record(outcome.sending(a), outcome.sending(b, { retryCount: 3 }))
    let stored = await read(store, a.id)
    assertColumns(stored, { status: 'processing', retryCount: 1, availableAt: null })
    await record(outcome.returned(a, { retryCount: 0 }), outcome.returned(b, { retryCount: 2 }))
    stored = await read(store, a.id)
    assertColumns(stored, { status: 'pending', retryCount: 0 })
    assert.equal((await read(store, b.id)).status, 'retry')
    assert.equal((await read(store, b.id)).retryCount, 2)
    assert.equal((await fetchAll(store)).length, 2)
  }),
  it('settle: all kinds at once, hundreds of events', async ({ store }) => {
    const { ownership, record } = await own(store)
    const rows = await insert(store, ...Array.from({ length: 600 }, () => newEvent()))
    const outcomes = rows.map((row, n) => guardedOutcomes(row)[n % 6] ?? outcome.published(row))
    await record(...outcomes)
    const by = async (status: string) => store.admin.count([{ column: 'status', op: 'eq', value: status }])
    assert.equal(await by('published'), 100)
    assert.equal(await by('failed'), 100)
    assert.equal(await by('processing'), 100)
    assert.equal(await by('pending'), 100)
    assert.equal(await by('retry'), 200)
    assert.deepEqual(await store.relay.settle(ownership, []), { lost: [], busy: [] })
  }),
  it('settle: after the lane was taken only published is recorded; the rest is reported lost', async ({ store }) => {
    const before = await own(store, { name: 'before' })
    const rows = await insert(store, ...Array.from({ length: 6 }, () => newEvent()))
    const after = await own(store, { name: 'after' })
    const outcomes = rows.map((row, n) => guardedOutcomes(row)[n] ?? outcome.published(row))
    const report = await store.relay.settle(before.ownership, outcomes)
    assert.deepEqual(report.lost.toSorted(), idsOf(rows.slice(0, 5)).toSorted())
    for (const row of rows.slice(0, 5)) {
      const stored = await read(store, row.id)
      assertColumns(stored, { status: 'pending', retryCount: 0, availableAt: null })
    }
    assert.equal((await read(store, rows[5]?.id ?? '')).status, 'published')
    // The control: the new owner may.
    await after.record(...outcomes.slice(0, 5))
  }),
  it('settle: an old fence of the same worker does not count', async ({ store }) => {
    const { ownership, workerId } = await own(store)
    const { id, lane } = await insertOne(store)
    const survey = await store.coordination.survey([ownership.backend])
    await store.coordination.claim(workerId, survey.lanes)
    const report = await store.relay.settle(ownership, [outcome.park({ id, lane })])
    assert.deepEqual(report.lost, [id])
  }),
]
