import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError, PermanentError } from '../../src/backend/send-error.ts'
import { FlowTally } from '../../src/relay/flow-tally.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { timeToDelivery, tookCounts } from '../../src/relay/time-to-delivery.ts'
import { FLOW_SPANS, TOOK_COUNTS } from '../../src/store/history-store.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { until } from '../../src/testing/store/steps.ts'
import { TestOutbox } from './outbox.ts'

const held = (n: number): HeldEvent => ({ id: String(n), seq: n, retryCount: 0 }) as HeldEvent
const attempt = (n: number) => ({ id: String(n), lane: 0, generation: 0 })

test('the tally counts deliveries, retries and failures of each backend, and samples fairly', () => {
  const tally = new FlowTally()
  assert.equal(tally.take(), undefined)
  for (let n = 1; n <= 1_000; n++) tally.add('main', held(n), { kind: 'published', ...attempt(n) })
  tally.add('main', held(1_001), { kind: 'retry', ...attempt(1), retryCount: 1, delay: 1, error: '' })
  tally.add('main', held(1_002), { kind: 'retry', ...attempt(1), retryCount: 0, delay: 1, error: '' })
  tally.add('other', held(7), { kind: 'failed', ...attempt(1), retryCount: 1, blocks: false, error: '' })
  const taken = tally.take()
  assert.equal(taken?.seq, 1_002)
  const [main, other] = taken?.backends ?? []
  assert.deepEqual([main?.counts.delivered, main?.counts.retried, main?.counts.failed], [1_000, 1, 0])
  assert.deepEqual([other?.counts.backend, other?.counts.failed, other?.sample], ['other', 1, []])
  const ids = main?.sample.map(Number) ?? []
  assert.equal(new Set(ids).size, 100)
  // Of 100 of 1,000 the chance that none is from the second half is less than 1 in 10^30; the same for the first.
  assert.ok(ids.some((id) => id <= 500) && ids.some((id) => id > 500))
  assert.equal(tally.take(), undefined, 'what was taken is not counted again')
})

test('a delivery took as long as since the event was due, or since its first attempt', () => {
  const at = (seconds: number): Date => new Date(1_000_000_000_000 + 1_000 * seconds)
  const row = { createdAt: at(0), scheduledAt: at(0), publishedAt: at(3), retryCount: 0, attempts: null }
  assert.equal(timeToDelivery(row), 3_000)
  assert.equal(timeToDelivery({ ...row, scheduledAt: at(2) }), 1_000, 'scheduled for later')
  const tried = { scheduledAt: at(2), retryCount: 1 }
  assert.equal(timeToDelivery({ ...row, ...tried }), 3_000, 'no attempt is known')
  assert.equal(timeToDelivery({ ...row, ...tried, attempts: 'not JSON' }), 3_000)
  const attempts = JSON.stringify([{ at: at(1).toISOString() }, { at: at(1.5).toISOString() }])
  assert.equal(timeToDelivery({ ...row, ...tried, attempts }), 2_000)
  assert.equal(timeToDelivery({ ...row, publishedAt: at(-1) }), 0, 'never negative')
  assert.equal(timeToDelivery({ ...row, publishedAt: null }), undefined)
})

test('a sample of times stands for all deliveries, by powers of two of milliseconds', () => {
  const counts = tookCounts([0, 1, 2, 3, 4, 1_023, 1_024, 1e12], 16)
  const found = counts.flatMap((count, n) => (count === 0 ? [] : [[n, count]]))
  assert.deepEqual(found, [
    [0, 4],
    [1, 4],
    [2, 2],
    [9, 2],
    [10, 2],
    [TOOK_COUNTS - 1, 2],
  ])
  assert.deepEqual(tookCounts([], 5), new Array(TOOK_COUNTS).fill(0))
})

test('a worker writes down what it did when it stops, and a drain at its end', async () => {
  await using outbox = new TestOutbox()
  outbox.backend.behaviour = (event) =>
    event.partitionKey === 'bad' ? notDelivered(new PermanentError('never')) : delivered
  await outbox.publish(['a', 'b', 'bad', null])
  const worker = outbox.broadcaster.worker()
  await worker.start()
  await outbox.until(
    () => outbox.heard('batch.settled').reduce((all, one) => all + one.published + one.failed, 0) === 4,
  )
  await worker.stop()
  const sums = async (): Promise<readonly number[]> => {
    const { rows } = await outbox.broadcaster.store.history.flow(60, 3)
    const sum = (of: (row: (typeof rows)[number]) => number): number => rows.reduce((all, row) => all + of(row), 0)
    const seq = Math.max(...rows.map((row) => row.seq))
    return [sum((row) => row.delivered), sum((row) => row.failed), sum(({ took }) => took.reduce((a, b) => a + b)), seq]
  }
  assert.deepEqual(await sums(), [3, 1, 3, 4])
  await outbox.publish(['c'])
  await outbox.broadcaster.worker().drain()
  assert.deepEqual(await sums(), [4, 1, 4, 5])
})

test('spans that are no longer kept go, and those that a clock left ahead', async () => {
  let now = 1_800_000_000_000
  const { history } = memoryStore({ now: () => now })
  const one = { backend: 'main', delivered: 1, retried: 0, failed: 0, took: new Array<number>(TOOK_COUNTS).fill(0) }
  for (let minute = 0; minute < 400; minute++) {
    await history.count({ seq: minute, backends: [one] })
    now += 60_000
  }
  for (const { seconds, kept } of FLOW_SPANS) {
    const { rows } = await history.flow(seconds, 10_000)
    // Two rows each: of the backend, and of the outbox.
    assert.ok(rows.length <= 2 * (kept + 2), `${seconds}: ${rows.length}`)
    assert.ok(rows.length > 0)
  }
  now -= 200 * 60_000
  await history.count({ seq: 0, backends: [one] })
  now += 200 * 60_000
  const left = (await history.flow(60, 10_000)).rows.map(({ began }) => began * 1_000)
  assert.ok(Math.max(...left) < now - 190 * 60_000, 'none is ahead of the clock that was set back')
})

test('an outage is written down: who saw it begin, how often it was tried, and who saw it end', async () => {
  await using outbox = new TestOutbox()
  let isDown = true
  outbox.backend.behaviour = () => (isDown ? notDelivered(new OutageError('broker away')) : delivered)
  await outbox.publish(['a'])
  const worker = outbox.broadcaster.worker({ name: 'w-1', breaker: { firstProbe: 5, probeInterval: 5 } })
  await worker.start()
  const outages = () => outbox.broadcaster.store.history.outages({ before: null, limit: 10 })
  await until('two probes', async () => ((await outages())[0]?.probes ?? 0) >= 2)
  isDown = false
  await until('the end of the outage', async () => (await outages())[0]?.closedAt != null)
  await worker.stop()
  const [only, ...others] = await outages()
  assert.equal(others.length, 0)
  assert.equal(only?.openedBy, 'w-1')
  assert.equal(only?.closedBy, 'w-1')
  assert.match(only?.reason ?? '', /broker away/)
  assert.match(only?.lastError ?? '', /broker away/)
})
