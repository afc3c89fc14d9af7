import assert from 'node:assert/strict'
import { FAR_FUTURE } from '../../record/columns.ts'
import type { Outcome } from '../../store/relay-store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { fetchAll, insert, insertOne, newEvent, own, read, untilUnparked } from './steps.ts'

/** Every kind of outcome but published: what only the owner of the lane may record. */
export function guardedOutcomes(at: { readonly id: string; readonly lane: number }): readonly Outcome[] {
  return [
    { kind: 'retry', generation: 0, ...at, retryCount: 1, delay: 1000, error: 'no' },
    { kind: 'failed', generation: 0, ...at, retryCount: 1, blocks: true, error: 'no' },
    { kind: 'park', generation: 0, ...at, delay: 1000 },
    { kind: 'sending', generation: 0, ...at, retryCount: 1 },
    { kind: 'returned', generation: 0, ...at, retryCount: 1 },
  ]
}

/** Settle: what became of each event, recorded once, by the owner. */
export const settleCases: readonly StoreCase[] = [
  {
    name: 'settle: published',
    async run({ store }) {
      const { ownership } = await own(store)
      const [a, b] = await insert(store, newEvent(), newEvent())
      assert.ok(a && b)
      const report = await store.relay.settle(ownership, [
        { kind: 'published', generation: 0, id: a.id, lane: a.lane },
        { kind: 'published', generation: 0, id: b.id, lane: b.lane, progress: '{"entry":"1-0"}' },
      ])
      assert.deepEqual(report.lost, [])
      const stored = await read(store, a.id)
      assert.equal(stored.status, 'published')
      assert.ok(stored.publishedAt && stored.publishedAt.getTime() >= stored.createdAt.getTime())
      assert.equal(stored.updatedAt.getTime(), stored.publishedAt.getTime())
      assert.equal(stored.availableAt, null)
      assert.equal(stored.progress, null)
      assert.equal((await read(store, b.id)).progress, '{"entry":"1-0"}')
      assert.deepEqual(await fetchAll(store), [])
    },
  },
  {
    name: 'settle: a retry that spends no attempt waits, and adds nothing to the history',
    async run({ store }) {
      const { ownership } = await own(store)
      const { id, lane } = await insertOne(store, { partitionKey: 'k' })
      const retry = (retryCount: number, delay: number, error: string) =>
        store.relay.settle(ownership, [{ kind: 'retry', generation: 0, id, lane, retryCount, delay, error }])
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
      await store.relay.settle(ownership, [{ kind: 'sending', generation: 0, id, lane, retryCount: 2 }])
      await retry(2, 60_000, 'killed its worker')
      assert.equal(await history(), 2)
    },
  },
  {
    name: 'settle: retry waits, remembers the error and adds to the history',
    async run({ store }) {
      const { ownership } = await own(store, { name: 'host:42' })
      const row = await insertOne(store, { partitionKey: 'k' })
      await store.relay.settle(ownership, [
        {
          kind: 'retry',
          generation: 0,
          id: row.id,
          lane: row.lane,
          retryCount: 1,
          delay: 60_000,
          error: 'connection "refused"',
          progress: '{"done":["a"]}',
        },
      ])
      const stored = await read(store, row.id)
      assert.equal(stored.status, 'retry')
      assert.equal(stored.retryCount, 1)
      assert.equal(stored.lastError, 'connection "refused"')
      assert.equal(stored.availableAt?.getTime(), stored.scheduledAt.getTime())
      assert.ok(Math.abs(stored.scheduledAt.getTime() - stored.updatedAt.getTime() - 60_000) <= 1)
      assert.equal(stored.progress, '{"done":["a"]}')
      const attempts: { at: string; worker: string; error: string }[] = JSON.parse(stored.attempts ?? '')
      assert.equal(attempts.length, 1)
      assert.equal(attempts[0]?.worker, 'host:42')
      assert.equal(attempts[0]?.error, 'connection "refused"')
      assert.match(attempts[0]?.at ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/)
      assert.ok(Math.abs(Date.parse(attempts[0]?.at ?? '') - stored.updatedAt.getTime()) <= 1)
    },
  },
  {
    name: 'settle: a retry comes back when due',
    async run({ store }) {
      const { ownership } = await own(store)
      const { id, lane } = await insertOne(store)
      await store.relay.settle(ownership, [
        { kind: 'retry', generation: 0, id, lane, retryCount: 2, delay: 30, error: 'no' },
      ])
      await untilUnparked(store, [id])
      const [row] = await fetchAll(store)
      assert.equal(row?.status, 'retry')
      assert.equal(row?.retryCount, 2)
    },
  },
  {
    name: 'settle: the attempt history keeps the last ten',
    async run({ store }) {
      const { ownership } = await own(store)
      const { id, lane } = await insertOne(store)
      for (let n = 1; n <= 11; n++) {
        await store.relay.settle(ownership, [
          { kind: 'retry', generation: 0, id, lane, retryCount: n, delay: 0, error: `error ${n}` },
        ])
      }
      await store.relay.settle(ownership, [
        { kind: 'failed', generation: 0, id, lane, retryCount: 12, blocks: false, error: 'error 12' },
      ])
      const attempts: { error: string }[] = JSON.parse((await read(store, id)).attempts ?? '')
      assert.deepEqual(
        attempts.map((attempt) => attempt.error),
        Array.from({ length: 10 }, (_, n) => `error ${n + 3}`),
      )
    },
  },
  {
    name: 'settle: failed blocks its key only when it is told to and has one',
    async run({ store }) {
      const { ownership } = await own(store)
      const rows = await insert(
        store,
        newEvent({ partitionKey: 'a' }),
        newEvent({ partitionKey: 'b' }),
        newEvent({ partitionKey: null }),
      )
      await store.relay.settle(
        ownership,
        rows.map(({ id, lane }, n) => ({
          kind: 'failed',
          generation: 0,
          id,
          lane,
          retryCount: 3,
          blocks: n !== 1,
          error: 'bad',
        })),
      )
      const stored = await Promise.all(rows.map((row) => read(store, row.id)))
      assert.deepEqual(
        stored.map((row) => row.availableAt?.getTime() ?? null),
        [FAR_FUTURE.getTime(), null, null],
      )
      for (const row of stored) {
        assert.equal(row.status, 'failed')
        assert.equal(row.retryCount, 3)
        assert.equal(row.lastError, 'bad')
        assert.equal(JSON.parse(row.attempts ?? '').length, 1)
      }
    },
  },
  {
    name: 'settle: park leaves all but the time as it is',
    async run({ store }) {
      const { ownership } = await own(store)
      const [timed, held] = await insert(store, newEvent(), newEvent({ partitionKey: 'k' }))
      assert.ok(timed && held)
      await store.relay.settle(ownership, [
        { kind: 'park', generation: 0, id: timed.id, lane: timed.lane, delay: 60_000 },
        { kind: 'park', generation: 0, id: held.id, lane: held.lane, delay: null },
      ])
      const stored = await read(store, timed.id)
      assert.equal(stored.status, 'pending')
      assert.equal(stored.retryCount, 0)
      assert.equal(stored.attempts, null)
      assert.equal(stored.scheduledAt.getTime(), timed.scheduledAt.getTime())
      const delay = (stored.availableAt?.getTime() ?? 0) - timed.createdAt.getTime()
      assert.ok(delay >= 60_000 && delay < 120_000)
      assert.equal((await read(store, held.id)).availableAt?.getTime(), FAR_FUTURE.getTime())
    },
  },
  {
    name: 'settle: what is parked behind a retry is due with it, and not parked once that one is back',
    async run({ store }) {
      const { ownership } = await own(store)
      const [head, one, two] = await insert(store, ...['k', 'k', 'k'].map((partitionKey) => newEvent({ partitionKey })))
      assert.ok(head && one && two)
      const park = ({ id, lane }: typeof one) =>
        ({ kind: 'park', generation: 0, id, lane, delay: 9_000, behind: head.id }) as const
      const { id, lane } = head
      await store.relay.settle(ownership, [
        { kind: 'retry', generation: 0, id, lane, retryCount: 1, delay: 50, error: 'no' },
        park(one),
      ])
      const due = (await read(store, head.id)).availableAt?.getTime()
      assert.equal((await read(store, one.id)).availableAt?.getTime(), due)
      await untilUnparked(store, [head.id])
      await store.relay.settle(ownership, [park(two)])
      assert.equal((await read(store, two.id)).availableAt, null)
    },
  },
  {
    name: 'settle: sending is recorded before a send, and returned gives it back',
    async run({ store }) {
      const { ownership } = await own(store)
      const [a, b] = await insert(store, newEvent(), newEvent())
      assert.ok(a && b)
      await store.relay.settle(ownership, [
        { kind: 'sending', generation: 0, id: a.id, lane: a.lane, retryCount: 1 },
        { kind: 'sending', generation: 0, id: b.id, lane: b.lane, retryCount: 3 },
      ])
      let stored = await read(store, a.id)
      assert.equal(stored.status, 'processing')
      assert.equal(stored.retryCount, 1)
      assert.equal(stored.availableAt, null)
      await store.relay.settle(ownership, [
        { kind: 'returned', generation: 0, id: a.id, lane: a.lane, retryCount: 0 },
        { kind: 'returned', generation: 0, id: b.id, lane: b.lane, retryCount: 2 },
      ])
      stored = await read(store, a.id)
      assert.equal(stored.status, 'pending')
      assert.equal(stored.retryCount, 0)
      assert.equal((await read(store, b.id)).status, 'retry')
      assert.equal((await read(store, b.id)).retryCount, 2)
      assert.equal((await fetchAll(store)).length, 2)
    },
  },
  {
    name: 'settle: all kinds at once, hundreds of events',
    async run({ store }) {
      const { ownership } = await own(store)
      const rows = await insert(store, ...Array.from({ length: 600 }, () => newEvent()))
      const outcomes = rows.map(({ id, lane }, n): Outcome => {
        const guarded = guardedOutcomes({ id, lane })
        return guarded[n % 6] ?? { kind: 'published', generation: 0, id, lane }
      })
      assert.deepEqual((await store.relay.settle(ownership, outcomes)).lost, [])
      const by = async (status: string) => store.admin.count([{ column: 'status', op: 'eq', value: status }])
      assert.equal(await by('published'), 100)
      assert.equal(await by('failed'), 100)
      assert.equal(await by('processing'), 100)
      assert.equal(await by('pending'), 100)
      assert.equal(await by('retry'), 200)
      assert.deepEqual(await store.relay.settle(ownership, []), { lost: [], busy: [] })
    },
  },
  {
    name: 'settle: after the lane was taken only published is recorded; the rest is reported lost',
    async run({ store }) {
      const before = await own(store, { name: 'before' })
      const rows = await insert(store, ...Array.from({ length: 6 }, () => newEvent()))
      const after = await own(store, { name: 'after' })
      const outcomes = rows.map(({ id, lane }, n): Outcome => {
        const guarded = guardedOutcomes({ id, lane })
        return guarded[n] ?? { kind: 'published', generation: 0, id, lane }
      })
      const report = await store.relay.settle(before.ownership, outcomes)
      assert.deepEqual(
        report.lost.toSorted(),
        rows
          .slice(0, 5)
          .map((row) => row.id)
          .toSorted(),
      )
      for (const row of rows.slice(0, 5)) {
        const stored = await read(store, row.id)
        assert.equal(stored.status, 'pending')
        assert.equal(stored.retryCount, 0)
        assert.equal(stored.availableAt, null)
      }
      assert.equal((await read(store, rows[5]?.id ?? '')).status, 'published')
      // The control: the new owner may.
      assert.deepEqual((await store.relay.settle(after.ownership, outcomes.slice(0, 5))).lost, [])
    },
  },
  {
    name: 'settle: an old fence of the same worker does not count',
    async run({ store }) {
      const { ownership, workerId } = await own(store)
      const { id, lane } = await insertOne(store)
      const survey = await store.coordination.survey([ownership.backend])
      await store.coordination.claim(workerId, survey.lanes)
      const report = await store.relay.settle(ownership, [{ kind: 'park', generation: 0, id, lane, delay: null }])
      assert.deepEqual(report.lost, [id])
    },
  },
]
