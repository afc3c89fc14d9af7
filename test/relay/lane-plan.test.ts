import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Heartbeats } from '../../src/relay/heartbeats.ts'
import { planLanes } from '../../src/relay/lane-plan.ts'
import type { LaneRow } from '../../src/store/coordination-store.ts'

const lanesOf = (owners: readonly (string | null)[], backend = 'a'): LaneRow[] =>
  owners.map((owner, lane) => ({ backend, lane, owner, fence: 0, attention: 0, hold: 0, holdLeft: null, quietFor: 0 }))
const workersOf = (...ids: string[]) => ids.map((id) => ({ id, name: id, backends: ['a'], leaseLeft: 10_000 }))

/** Lets all workers act on the same picture again and again, as conditional claims would. */
function settle(ids: readonly string[], lanes: readonly LaneRow[], rounds: number): readonly LaneRow[] {
  let now = lanes
  for (let round = 0; round < rounds; round++) {
    for (const workerId of ids) {
      const plan = planLanes({ workerId, workers: workersOf(...ids), lanes: now })
      now = now.map((lane) => {
        if (plan.release.includes(lane)) return { ...lane, owner: null }
        return plan.claim.includes(lane) ? { ...lane, owner: workerId } : lane
      })
    }
  }
  return now
}

test('one worker takes every lane, and also those of a worker that is gone', () => {
  const plan = planLanes({ workerId: 'w1', workers: workersOf('w1'), lanes: lanesOf([null, 'dead', 'w1', null]) })
  assert.deepEqual(plan.claim.map((lane) => lane.lane).sort(), [0, 1, 3])
  assert.deepEqual(plan.release, [])
})

test('a worker that missed heartbeats keeps its lanes until its lease ends, and others take what it would get', () => {
  const workers = workersOf('w1', 'w2', 'late')
  const plans = (lanes: readonly LaneRow[], late = new Set<string>()) =>
    ['w1', 'w2'].map((workerId) => planLanes({ workerId, workers, lanes, late }))
  const free = lanesOf(['w1', 'w1', 'w2', 'w2', 'gone', 'gone'])
  assert.deepEqual(
    plans(free).map(({ claim }) => claim.length),
    [0, 0],
    'before, the lanes of the one gone are for the third',
  )
  assert.deepEqual(
    plans(free, new Set(['late'])).map(({ claim }) => claim.map(({ lane }) => lane)),
    [[4], [5]],
  )
  const owned = lanesOf(['w1', 'w1', 'w2', 'w2', 'late', 'late'])
  for (const plan of plans(owned, new Set(['late']))) assert.deepEqual(plan, { claim: [], release: [] })
})

test('a worker counts itself, late or not', () => {
  const lanes = lanesOf([null, null])
  assert.equal(planLanes({ workerId: 'w1', workers: workersOf('w1'), lanes, late: new Set(['w1']) }).claim.length, 2)
})

/** Surveys at instants of the monotonic clock, in ms; each returns the ids of who is late. */
function lateness() {
  const heartbeats = new Heartbeats()
  return (now: number, left: Readonly<Record<string, number>>) => [
    ...heartbeats.observe(
      Object.entries(left).map(([id, leaseLeft]) => ({ id, name: id, backends: ['a'], leaseLeft })),
      now,
    ),
  ]
}

test('a worker is late when less than 0.6 of its own lease is left, however long that is', () => {
  const late = lateness()
  assert.deepEqual(late(0, { long: 60_000, short: 2_000 }), [])
  assert.deepEqual(late(15_000, { long: 45_000, short: 1_500 }), [], 'a quarter may pass between two heartbeats')
  assert.deepEqual(late(20_000, { long: 40_000, short: 1_190 }), ['short'])
  assert.deepEqual(late(25_000, { long: 35_000, short: 2_000 }), ['long'], 'and what is back is not late')
  assert.deepEqual(late(26_000, { short: 1_900 }), [])
  assert.deepEqual(late(27_000, { short: 1_900, long: 20_000 }), [], 'one that entered anew is measured anew')
})

test('a worker whose lease lay ahead of a clock that was set back is not late when it renews it', () => {
  for (const ahead of [600_000, 20_000]) {
    const late = lateness()
    assert.deepEqual(late(0, { living: 10_000, dead: 10_000 }), [])
    assert.deepEqual(late(1_000, { living: ahead, dead: ahead }), [], 'the clock was set back')
    assert.deepEqual(late(2_000, { living: 9_500, dead: ahead - 1_000 }), [], 'one has renewed its lease since')
    assert.deepEqual(late(4_500, { living: 7_500, dead: ahead - 3_500 }), [])
    assert.deepEqual(late(ahead / 2, { living: 9_000, dead: ahead / 2 + 1_000 }), ['dead'])
    assert.deepEqual(late(ahead / 2 + 4_000, { living: 5_000, dead: ahead / 2 - 3_000 }), ['living', 'dead'])
  }
})

test('a worker that is late stays so when an answer of the store takes longer than the next', () => {
  const late = lateness()
  late(0, { dead: 10_000 })
  assert.deepEqual(late(4_000, { dead: 5_500 }), ['dead'], 'half a second of which the clock knows nothing')
})

test('a lane of a living worker is never claimed', () => {
  const plan = planLanes({ workerId: 'w1', workers: workersOf('w1', 'w2'), lanes: lanesOf(['w2', 'w2', 'w2', 'w2']) })
  assert.deepEqual(plan.claim, [])
})

test('from any state the shares become fair, and then nothing moves', () => {
  const ids = fc.uniqueArray(fc.constantFrom('w1', 'w2', 'w3', 'w4', 'w5'), { minLength: 1 })
  const owners = fc.array(fc.constantFrom(null, 'w1', 'w2', 'w3', 'w4', 'w5', 'dead'), { minLength: 1, maxLength: 70 })
  fc.assert(
    fc.property(ids, owners, (workers, start) => {
      const end = settle(workers, lanesOf(start), 3)
      const counts = workers.map((id) => end.filter((lane) => lane.owner === id).length)
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        start.length,
        'every lane is owned',
      )
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, 'shares differ by at most one')
      assert.deepEqual(settle(workers, end, 1), end, 'and stay')
    }),
  )
})

test('each backend is shared out among the workers that serve it', () => {
  const lanes = [...lanesOf([null, null], 'a'), ...lanesOf([null, null], 'b')]
  const workers = [
    { id: 'w1', name: 'w1', backends: ['a', 'b'], leaseLeft: 10_000 },
    { id: 'w2', name: 'w2', backends: ['b'], leaseLeft: 10_000 },
  ]
  const claimed = planLanes({ workerId: 'w1', workers, lanes }).claim.map((lane) => lane.backend)
  assert.deepEqual(claimed, ['a', 'a', 'b'])
})

test('a drain takes every free lane, and no worker gives lanes up for it', () => {
  const workers = [...workersOf('w1'), { id: 'drain', name: 'drain', backends: [], leaseLeft: 10_000 }]
  const lanes = lanesOf(['w1', null, 'w1', null])
  assert.equal(planLanes({ workerId: 'drain', workers, lanes, greedy: true }).claim.length, 2)
  assert.deepEqual(planLanes({ workerId: 'w1', workers, lanes }).release, [])
})
