import assert from 'node:assert/strict'
import type { StoreCase } from '../store-conformance.ts'
import { it, ofTwo } from './fixture.ts'
import { allLanes, assertColumns, BACKEND, idsOf, LONG_LEASE, laneCount, laneOf, lanesOf, own, until } from './steps.ts'

/** Workers, leases, lanes and fences. */
export const coordinationCases: readonly StoreCase[] = [
  it('coordination: entering makes the lanes of each backend, once, all free', async ({ store }) => {
    const lanes = await laneCount(store)
    const { coordination } = store
    const first = await coordination.enter({ name: 'a', backends: [BACKEND, 'other'], lease: LONG_LEASE })
    const second = await coordination.enter({ name: 'b', backends: ['other'], lease: LONG_LEASE })
    assert.notEqual(first, second)
    const survey = await coordination.survey([BACKEND, 'other'])
    assert.equal(survey.lanes.length, lanes * 2)
    for (const backend of [BACKEND, 'other']) {
      const own = survey.lanes.filter((lane) => lane.backend === backend)
      assert.deepEqual(lanesOf(own), await allLanes(store))
      assert.ok(own.every((lane) => lane.owner === null))
    }
    assert.deepEqual(survey.workers.map((worker) => worker.name).toSorted(), ['a', 'b'])
    const worker = survey.workers.find((each) => each.id === first)
    assert.deepEqual(worker?.backends.toSorted(), [BACKEND, 'other'])
    assert.equal((await coordination.survey(['other'])).lanes.length, lanes)
    assert.deepEqual((await coordination.survey(['nobody'])).lanes, [])
  }),
  it('coordination: a transient worker makes lanes and lives, but is listed with no backends', async ({ store }) => {
    const { coordination } = store
    const id = await coordination.enter({ name: 'drain', backends: [BACKEND], lease: LONG_LEASE, transient: true })
    const survey = await coordination.survey([BACKEND])
    assert.deepEqual(
      survey.workers.map((worker) => [worker.id, worker.name, worker.backends]),
      [[id, 'drain', []]],
    )
    assert.equal(survey.lanes.length, await laneCount(store))
    assert.equal((await coordination.claim(id, survey.lanes)).length, survey.lanes.length)
  }),
  it('coordination: look reads what survey reads, and removes no worker whose lease has ended', async ({ store }) => {
    const { coordination } = store
    const alive = await coordination.enter({ name: 'alive', backends: [BACKEND], lease: LONG_LEASE })
    const dead = await coordination.enter({ name: 'dead', backends: [BACKEND], lease: 0 })
    const seen = await coordination.look([BACKEND])
    assert.deepEqual(idsOf(seen.workers), [alive])
    assert.equal(seen.lanes.length, await laneCount(store))
    assert.equal(await coordination.renew(dead, LONG_LEASE), false)
    assert.deepEqual((await coordination.survey([BACKEND])).lanes, seen.lanes)
  }),
  it('coordination: claim takes a lane at the fence seen, and raises it', async ({ store }) => {
    const { coordination } = store
    const id = await coordination.enter({ name: 'a', backends: [BACKEND], lease: LONG_LEASE })
    const { lanes } = await coordination.survey([BACKEND])
    const [one, two] = lanes
    assert.ok(one && two)
    const taken = await coordination.claim(id, [one])
    assert.equal(taken.length, 1)
    assert.equal(taken[0]?.lane, one.lane)
    assert.equal(taken[0]?.backend, BACKEND)
    assert.equal(taken[0]?.fence, one.fence + 1)
    assert.equal(taken[0]?.owner, id)
    assert.deepEqual(await coordination.claim(id, [one]), [], 'that fence is gone')
    assert.deepEqual(await coordination.claim(id, [{ ...two, fence: two.fence + 1 }]), [], 'not reached yet')
    const rest = await coordination.claim(id, [one, two])
    assert.deepEqual(lanesOf(rest), [two.lane])
    const stored = await laneOf(store, one.lane)
    assertColumns(stored, { owner: id, fence: taken[0]?.fence })
    assert.deepEqual(await coordination.claim(id, []), [])
  }),
  ofTwo('coordination: of two that claim the same lanes, each lane goes to one', async (store, second) => {
    const a = await store.coordination.enter({ name: 'a', backends: [BACKEND], lease: LONG_LEASE })
    const b = await second.coordination.enter({ name: 'b', backends: [BACKEND], lease: LONG_LEASE })
    const { lanes } = await store.coordination.survey([BACKEND])
    const [byA, byB] = await Promise.all([
      store.coordination.claim(a, lanes),
      second.coordination.claim(b, lanes.toReversed()),
    ])
    assert.deepEqual(lanesOf([...byA, ...byB]), lanesOf(lanes))
    const { lanes: after } = await second.coordination.survey([BACKEND])
    for (const lane of after) {
      assert.equal(lane.owner, byA.some((each) => each.lane === lane.lane) ? a : b)
    }
  }),
  it('coordination: a worker whose lease has ended claims nothing', async ({ store }) => {
    const { coordination } = store
    const id = await coordination.enter({ name: 'a', backends: [BACKEND], lease: LONG_LEASE })
    const { lanes } = await coordination.survey([BACKEND])
    await coordination.renew(id, 1)
    await until('the lease ends', async () => !(await coordination.renew(id, 1)))
    assert.deepEqual(await coordination.claim(id, lanes), [])
    assert.ok((await coordination.survey([BACKEND])).lanes.every((lane) => lane.owner === null))
  }),
  it('coordination: the same lane of two backends has two owners', async ({ store }) => {
    const here = await own(store)
    const there = await own(store, { backend: 'other' })
    assert.equal((await laneOf(store, 0)).owner, here.workerId)
    assert.equal((await laneOf(store, 0, 'other')).owner, there.workerId)
  }),
  it('coordination: a worker that renews stays; one that does not is removed, and its lanes keep its name', async (fixture) => {
    const { store } = fixture
    const { coordination } = store
    const alive = await coordination.enter({ name: 'alive', backends: [BACKEND], lease: LONG_LEASE })
    const dead = await own(store, { name: 'dead' })
    await coordination.renew(dead.workerId, 1)
    assert.equal(await coordination.renew(alive, LONG_LEASE), true)
    const survey = await until('the lease ends', async () => {
      const seen = await coordination.survey([BACKEND])
      return !seen.workers.some((worker) => worker.id === dead.workerId) && seen
    })
    assert.deepEqual(idsOf(survey.workers), [alive])
    assert.ok(survey.lanes.every((lane) => lane.owner === dead.workerId))
    assert.equal(await coordination.renew(dead.workerId, LONG_LEASE), false)
    assert.equal((await coordination.survey([BACKEND])).workers.length, 1, 'renewing does not bring it back')
    const taken = await coordination.claim(alive, survey.lanes)
    assert.equal(taken.length, survey.lanes.length)
  }),
  it('coordination: the survey tells how much is left of each lease', async ({ store }) => {
    const { coordination } = store
    const left = async (): Promise<readonly number[]> => {
      const { workers } = await coordination.survey([BACKEND])
      return workers.map(({ leaseLeft }) => leaseLeft).toSorted((a, b) => a - b)
    }
    const short = await coordination.enter({ name: 'short', backends: [BACKEND], lease: LONG_LEASE })
    await coordination.enter({ name: 'long', backends: [BACKEND], lease: LONG_LEASE * 2 })
    const atFirst = await left()
    assert.ok(isWithin(atFirst[0], LONG_LEASE / 2, LONG_LEASE), `${atFirst} ms`)
    assert.ok(isWithin(atFirst[1], LONG_LEASE * 1.5, LONG_LEASE * 2), `${atFirst} ms`)
    const later = await until('some time passes', async () => {
      const now = await left()
      return (now[0] ?? 0) < (atFirst[0] ?? 0) && now
    })
    assert.ok((later[1] ?? 0) < (atFirst[1] ?? 0), `${later} ms, and before ${atFirst} ms`)
    assert.equal(await coordination.renew(short, LONG_LEASE * 4), true)
    const renewed = await left()
    assert.ok(isWithin(renewed[1], LONG_LEASE * 3, LONG_LEASE * 4), `${renewed} ms`)
  }),
  it('coordination: renewing counts from now, and fails once the lease has ended, removed or not', async (fixture) => {
    const { store } = fixture
    const { coordination } = store
    const id = await coordination.enter({ name: 'a', backends: [BACKEND], lease: LONG_LEASE })
    assert.equal(await coordination.renew(id, 1), true, 'a renewal can also shorten')
    // A lease of 1 ms has ended by the next look, or by the one after it.
    await until('the lease ends', async () => !(await coordination.renew(id, 1)))
    assert.equal(await coordination.renew(id, LONG_LEASE), false)
    assert.deepEqual((await coordination.survey([BACKEND])).workers, [])
  }),
  it('coordination: an id that never entered cannot renew', async ({ store }) => {
    assert.equal(await store.coordination.renew('0193d2a0-0000-7000-8000-000000000000', 1000), false)
  }),
  it('coordination: release gives lanes back, but only those still ours', async ({ store }) => {
    const { coordination } = store
    const first = await own(store, { name: 'first' })
    const [released, taken, kept] = first.lanes
    assert.ok(released && taken && kept)
    const second = await coordination.enter({ name: 'second', backends: [BACKEND], lease: LONG_LEASE })
    assert.equal((await coordination.claim(second, [taken])).length, 1)
    await coordination.release(first.workerId, [released, taken])
    await coordination.release(first.workerId, [{ ...taken, fence: taken.fence + 1 }])
    await coordination.release(first.workerId, [{ ...kept, fence: kept.fence - 1 }])
    assert.equal((await laneOf(store, released.lane)).owner, null)
    assert.equal((await laneOf(store, taken.lane)).owner, second)
    assert.equal((await laneOf(store, kept.lane)).owner, first.workerId)
    const now = await laneOf(store, released.lane)
    assert.ok(now.fence >= released.fence)
    const [again] = await coordination.claim(second, [now])
    assert.ok(again && again.fence > released.fence)
  }),
  it('coordination: leaving gives all lanes back and removes the worker', async ({ store }) => {
    const { coordination } = store
    const first = await own(store, { name: 'first' })
    const second = await own(store, { name: 'second', backend: 'other' })
    await coordination.leave(first.workerId)
    const survey = await coordination.survey([BACKEND, 'other'])
    assert.deepEqual(idsOf(survey.workers), [second.workerId])
    for (const lane of survey.lanes) assert.equal(lane.owner, lane.backend === BACKEND ? null : second.workerId)
    assert.equal(await coordination.renew(first.workerId, LONG_LEASE), false)
    await coordination.leave(first.workerId)
  }),
]

function isWithin(value: number | undefined, least: number, most: number): boolean {
  return value !== undefined && value >= least && value <= most
}
