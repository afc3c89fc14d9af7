import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planLanes } from '../../src/relay/lane-plan.ts'
import type { Lane } from '../../src/store/coordination-store.ts'

const lanesOf = (owners: readonly (string | null)[], backend = 'a'): Lane[] =>
  owners.map((owner, lane) => ({ backend, lane, owner, fence: 0, attention: 0 }))
const workersOf = (...ids: string[]) => ids.map((id) => ({ id, name: id, backends: ['a'] }))

/** Lets all workers act on the same picture again and again, as conditional claims would. */
function settle(ids: readonly string[], lanes: readonly Lane[], rounds: number): readonly Lane[] {
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

test('a worker that is listed keeps its share, dead or not, until its lease has ended', () => {
  const lanes = lanesOf(['w1', 'w1', 'w2', 'w2', 'gone', 'gone'])
  const claims = (...listed: string[]): number[] =>
    ['w1', 'w2'].map((workerId) => planLanes({ workerId, workers: workersOf(...listed), lanes }).claim.length)
  assert.deepEqual(claims('w1', 'w2', 'died-early'), [0, 0], 'nobody alive has a share for the lanes of the one gone')
  assert.deepEqual(claims('w1', 'w2'), [1, 1])
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
    { id: 'w1', name: 'w1', backends: ['a', 'b'] },
    { id: 'w2', name: 'w2', backends: ['b'] },
  ]
  const claimed = planLanes({ workerId: 'w1', workers, lanes }).claim.map((lane) => lane.backend)
  assert.deepEqual(claimed, ['a', 'a', 'b'])
})

test('a drain takes every free lane, and no worker gives lanes up for it', () => {
  const workers = [...workersOf('w1'), { id: 'drain', name: 'drain', backends: [] }]
  const lanes = lanesOf(['w1', null, 'w1', null])
  assert.equal(planLanes({ workerId: 'drain', workers, lanes, greedy: true }).claim.length, 2)
  assert.deepEqual(planLanes({ workerId: 'w1', workers, lanes }).release, [])
})
