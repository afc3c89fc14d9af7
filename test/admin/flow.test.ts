import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryTimes, flowLately, flowPoints } from '../../src/admin/flow.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { type FlowRow, TOOK_COUNTS } from '../../src/store/history-store.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'

const END = 1_800_000_000
const now = new Date((END + 30) * 1_000)
const took = (counts: Readonly<Record<number, number>>): readonly number[] =>
  Array.from({ length: TOOK_COUNTS }, (_, n) => counts[n] ?? 0)
const row = (minute: number, given: Partial<FlowRow>): FlowRow => {
  const nothing = { backend: '', seq: 0, delivered: 0, retried: 0, failed: 0, took: took({}) }
  return { ...nothing, ...given, began: END - minute * 60 }
}

test('an hour has a point for each minute that is over, and nothing where nothing was done', () => {
  const rows = [
    row(61, { seq: 100 }),
    row(60, { seq: 160 }),
    row(60, { backend: 'a', delivered: 30, took: took({ 4: 30 }) }),
    row(60, { backend: 'b', delivered: 10, failed: 2, took: took({ 4: 10 }) }),
    // Nobody looked for three minutes.
    row(57, { seq: 190 }),
    row(0, { backend: 'a', delivered: 7 }),
  ]
  const points = flowPoints({ now, rows }, '1h')
  assert.equal(points.length, 60)
  const [first, second, , fourth, fifth] = points
  assert.equal(first?.at.getTime(), (END - 3_600) * 1_000)
  assert.deepEqual([first?.stored, first?.delivered, first?.failed], [60, 40, 2])
  assert.deepEqual([second?.stored, second?.delivered, second?.times], [10, 0, null], 'spread evenly')
  assert.deepEqual([fourth?.stored, fifth?.stored], [10, null])
  assert.ok(
    points.every(({ delivered }) => delivered !== 7),
    'the minute that goes on is no point yet',
  )
  const [ofA] = flowPoints({ now, rows }, '1h', 'a')
  assert.deepEqual([ofA?.stored, ofA?.delivered], [null, 30])
})

test('lately is the last five minutes and the one that goes on', () => {
  const looks = [6, 5, 4, 3, 2, 1, 0].map((minute) => row(minute, { seq: 1_000 - 60 * minute }))
  const rows = [
    ...looks,
    row(6, { backend: 'a', delivered: 1_000 }),
    row(5, { backend: 'a', delivered: 20, retried: 3, took: took({ 3: 20 }) }),
    row(0, { backend: 'a', delivered: 2, took: took({ 3: 2 }) }),
  ].sort((one, other) => one.began - other.began)
  const lately = flowLately({ now, rows })
  assert.equal(lately.seconds, 330)
  assert.equal(lately.stored, 360)
  assert.deepEqual(lately.backends, [
    { backend: 'a', delivered: 22, retried: 3, failed: 0, times: { p50: 11, p95: 15, p99: 16 } },
  ])
  assert.equal(flowLately({ now, rows: rows.slice(3) }).stored, null, 'not known in all of it')
})

test('percentiles are interpolated within powers of two', () => {
  assert.equal(deliveryTimes(took({})), null)
  assert.deepEqual(deliveryTimes(took({ 0: 100 })), { p50: 1, p95: 2, p99: 2 })
  const { p50 = 0, p95 = 0, p99 = 0 } = deliveryTimes(took({ 3: 90, 10: 8, 13: 2 })) ?? {}
  assert.ok(p50 >= 8 && p50 <= 16, `${p50}`)
  assert.ok(p95 >= 1_024 && p95 <= 2_048, `${p95}`)
  assert.ok(p99 >= 8_192 && p99 <= 16_384, `${p99}`)
})

test('the door for operators tells what was done, and who closed a breaker', async () => {
  const store = memoryStore()
  await using broadcaster = new Broadcaster({ name: 'flow', store, backends: { main: memoryBackend() }, logger: false })
  await broadcaster.transaction((tx) => broadcaster.publish(tx, { type: 'a.b', source: '/s', data: 1 }))
  await broadcaster.processPendingEvents()
  for (const range of ['1h', '24h', '7d'] as const) {
    const { points, lately } = await broadcaster.admin.flow({ range })
    assert.equal(points.length, { '1h': 60, '24h': 96, '7d': 168 }[range])
    assert.deepEqual(
      lately.backends.map(({ backend, delivered }) => [backend, delivered]),
      [['main', 1]],
    )
  }
  assert.deepEqual((await broadcaster.admin.flow({ backend: 'other' })).lately.backends, [])
  await assert.rejects(broadcaster.admin.flow({ range: '2h' as '1h' }), /range/)
  await store.coordination.breakers.open('main', 60_000, 'refused')
  await store.history.opened({ backend: 'main', destination: '' }, 'w', 'refused')
  assert.equal(await broadcaster.admin.closeBreaker('main', undefined, { by: 'ada' }), 1)
  const [outage] = await broadcaster.admin.outages({ backend: 'main' })
  assert.deepEqual([outage?.openedBy, outage?.reason, outage?.closedBy], ['w', 'refused', 'ada'])
  assert.deepEqual(await broadcaster.admin.outages({ before: outage?.id ?? 1 }), [])
})
