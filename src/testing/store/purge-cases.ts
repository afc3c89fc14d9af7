import assert from 'node:assert/strict'
import { compileTypePattern } from '../../event/type-pattern.ts'
import { CleanUp } from '../../retention/clean-up.ts'
import { perStatus, ruleOf } from '../../retention/rules.ts'
import type { Census, SettledPage, SettledWalk } from '../../store/retention-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import {
  deleteNow,
  idsOf,
  insertAll,
  insertOne,
  laneOf,
  list,
  moveNow,
  own,
  purgeAmong,
  purgeNow,
  until,
} from './steps.ts'

/** Asks a walk for published events, all that are there. */
async function everything(store: Store): Promise<Pick<SettledWalk, 'ages' | 'upTo'>> {
  const { last } = await store.retention.census(null, 1)
  return { ages: perStatus(() => null), upTo: { ...perStatus(() => null), published: last } }
}

async function fill(store: Store): Promise<void> {
  const { record } = await own(store)
  const [failed, cancelled, retry, , ...published] = await insertAll(store, {}, {}, {}, {}, {}, {}, {}, {})
  await record(
    ...published.map((row) => outcome.published(row)),
    outcome.failed(failed, { blocks: false }),
    outcome.retry(retry),
  )
  await moveNow(store, [cancelled.id], { kind: 'cancel' })
  // The database's clock has moved on when a new row says so.
  const [{ updatedAt } = {}] = await list(store, ['updatedAt'], { order: [{ column: 'updatedAt', descending: true }] })
  await until('time has passed', async () => {
    const { id, createdAt } = await insertOne(store, { publisherBackend: 'clock' })
    await deleteNow(store, id)
    return updatedAt && createdAt.getTime() > updatedAt.getTime()
  })
}

/** Retention. */
export const purgeCases: readonly StoreCase[] = [
  it('purge: deletes what is old enough, of the kinds asked for, among the rows asked for', async ({ store }) => {
    await fill(store)
    const hour = 3_600_000
    assert.equal(await purgeNow(store, { published: hour, failed: hour, cancelled: hour }), 0)
    assert.equal(await purgeNow(store, {}), 0)
    assert.equal(await purgeAmong(store, 7, { published: 0, failed: hour }), 3, 'the first seven rows')
    assert.equal(await purgeNow(store, { published: 0, cancelled: hour }), 1)
    assert.equal(await purgeNow(store, { published: 0 }), 0)
    assert.equal(await store.admin.count([]), 4)
    assert.equal(await purgeNow(store, { failed: 0 }), 1)
    assert.equal(await purgeNow(store, { cancelled: 0 }), 1)
    assert.deepEqual((await list(store, ['status'])).map((row) => row.status).toSorted(), ['pending', 'retry'])
  }),
  it('purge: a failed event that blocked its key is missed: the owner of its lane is told', async ({ store }) => {
    const { record } = await own(store)
    const row = await insertOne(store, { partitionKey: 'k' })
    await record(outcome.failed(row))
    const { attention } = await laneOf(store, row.lane)
    await until('it is old enough', async () => (await purgeNow(store, { failed: 0 })) === 1)
    assert.ok((await laneOf(store, row.lane)).attention > attention)
  }),
  it('purge: of more than are kept the oldest go, and what is not settled or blocks its key neither counts nor goes', async ({
    store,
  }) => {
    const { record } = await own(store)
    const keyed = { partitionKey: 'k' }
    const rows = await insertAll(store, {}, {}, {}, keyed, keyed, {}, {}, {}, {}, {}, {}, {})
    const [a, b, c, blocking, , failedFirst, cancelledFirst, waiting, failedLast, cancelledLast, d, e] = rows
    await record(
      ...[a, b, c, d, e].map((row) => outcome.published(row)),
      outcome.failed(blocking),
      ...[failedFirst, failedLast].map((row) => outcome.failed(row, { blocks: false })),
    )
    await moveNow(store, [cancelledFirst.id, cancelledLast.id], { kind: 'cancel' })
    const left = async () => idsOf(await list(store, ['id'])).toSorted()
    assert.equal(await purgeNow(store, {}, { published: 5, failed: 2, cancelled: 2 }), 0)
    assert.equal(await purgeNow(store, {}, { published: 3 }), 2)
    const kept = rows.filter((row) => row !== a && row !== b)
    assert.deepEqual(await left(), idsOf(kept).toSorted())
    assert.equal(await purgeNow(store, {}, { failed: 1, cancelled: 0 }), 3)
    const gone = [failedFirst, cancelledFirst, cancelledLast]
    assert.deepEqual(await left(), idsOf(kept.filter((row) => !gone.some(({ id }) => id === row.id))).toSorted())
    assert.equal(await purgeNow(store, {}, { published: 0, failed: 0, cancelled: 0 }), 4)
    assert.equal((await left()).length, 3, 'the one that blocks, the one behind it, and the one that waits')
    assert.ok((await left()).includes(waiting.id))
  }),
  it('purge: each event goes by the first rule that its type matches, for its age and for its number', async ({
    store,
  }) => {
    const { record } = await own(store)
    const types = ['audit.login', 'audit.secret.read', 'tick', 'order.paid', 'Tick', 'audit']
    const rows = await insertAll(store, ...[...types, ...types, ...types].map((eventType) => ({ eventType })))
    await record(...rows.map((row) => outcome.published(row)))
    const none = perStatus(() => null)
    const published = (number: number | null) => ({ ...none, published: number })
    const rules = [
      ruleOf(compileTypePattern('audit.secret.*'), published(0), none),
      ruleOf(compileTypePattern('audit.*'), none, none),
      ruleOf(compileTypePattern('tick'), none, published(1)),
      ruleOf(compileTypePattern('*'), none, published(4)),
    ]
    await until('the first are old enough', async () => {
      await new CleanUp(store.retention, rules).run({ onRemoved: () => undefined, rest: async () => true, whole: true })
      return (await list(store, ['id'])).length === 3 + 1 + 4
    })
    const left = await list(store, ['eventType'], { order: [{ column: 'seq', descending: false }] })
    assert.deepEqual(
      left.map(({ eventType }) => eventType),
      ['audit.login', 'audit.login', 'audit', 'audit.login', 'tick', 'order.paid', 'Tick', 'audit'],
    )
  }),
  it('remove: what was moved, settled anew or deleted since it was read stays as it is', async ({ store }) => {
    const { record } = await own(store)
    const [replayed, again, deleted, same] = await insertAll(store, {}, {}, {}, {})
    await record(...[replayed, again, deleted, same].map((row) => outcome.published(row)))
    const limits = await everything(store)
    const { events } = await store.retention.walk({ after: null, rows: 100, ...limits })
    assert.deepEqual(idsOf(events), idsOf([replayed, again, deleted, same]))
    await moveNow(store, [replayed.id, again.id], { kind: 'replay' })
    await record(outcome.published(again, { generation: 1 }))
    await deleteNow(store, deleted.id)
    assert.equal(await store.retention.remove(events), 1)
    assert.equal(await store.retention.remove(events), 0)
    assert.equal(await store.retention.remove([]), 0)
    assert.deepEqual(idsOf(await list(store, ['id'])).toSorted(), idsOf([replayed, again]).toSorted())
  }),
  it('walk and census: page by page they see each row once, from the oldest and from the newest', async ({ store }) => {
    const { record } = await own(store)
    const rows = await insertAll(store, ...Array.from({ length: 13 }, () => ({})))
    await record(...rows.map((row) => outcome.published(row)))
    const limits = await everything(store)
    const walked: string[] = []
    for (let after: string | null = null; ; ) {
      const { events, next }: SettledPage = await store.retention.walk({ after, rows: 3, ...limits })
      walked.push(...idsOf(events))
      if (next === null) break
      after = next
    }
    assert.deepEqual(walked, idsOf(rows))
    const counted = async (from: string | null): Promise<readonly (readonly [number, string])[]> => {
      const all: [number, string][] = []
      for (let before: string | null = null; ; ) {
        const { groups, last }: Census = await store.retention.census(before, 3, from)
        if (last === null) return all
        assert.ok(groups.every(({ status, eventType }) => status === 'published' && eventType === 'order.created'))
        all.push([groups.reduce((sum, { count }) => sum + count, 0), last])
        before = last
      }
    }
    const all = await counted(null)
    assert.deepEqual(
      all.map(([count]) => count),
      [3, 3, 3, 3, 1],
    )
    const [, [, second] = [0, '']] = all
    assert.deepEqual(await counted(second), all.slice(0, 2), 'none older than a place')
  }),
]
