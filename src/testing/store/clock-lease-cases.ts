import assert from 'node:assert/strict'
import { LONGEST_HOLD, LONGEST_LEASE } from '../../store/coordination-store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { requires } from './fixture.ts'
import { answerHolds, BACKEND, insertOne, LONG_HOLD, LONG_LEASE, laneOf, own } from './steps.ts'

const HOUR = 3_600_000

const it = requires('setBack')

/** A clock that was an hour ahead is corrected: leases and holds end an hour late, breakers opened in the future. */
export const clockLeaseCases: readonly StoreCase[] = [
  it('clock set back: a hold from before is over, and its owner ends it', async ({ store, setBack }) => {
    const { workerId } = await own(store)
    const { id, lane } = await insertOne(store)
    const holds = await store.admin.hold([id], LONG_HOLD)
    await answerHolds(store, holds)
    await setBack(HOUR)
    const shown = await laneOf(store, lane)
    assert.equal(shown.holdLeft, 0)
    const [quiet] = await store.coordination.quiet(workerId, [shown])
    assert.equal(quiet?.holdLeft, null)
    assert.equal((await laneOf(store, lane)).holdLeft, null)
    assert.deepEqual((await store.admin.move([id], { kind: 'cancel' }, holds)).busy, [id], 'the owner reads again')
  }),
  it('clock set back: a hold that follows one from before is no longer than one may be, and can be answered', async (fixture) => {
    const { store, setBack } = fixture
    await own(store)
    const { id, lane } = await insertOne(store)
    await store.admin.hold([id], LONG_HOLD)
    await setBack(HOUR)
    const holds = await store.admin.hold([id], LONG_HOLD)
    const { holdLeft } = await laneOf(store, lane)
    assert.ok(holdLeft !== null && holdLeft > 0 && holdLeft <= LONGEST_HOLD, `${holdLeft} ms`)
    await answerHolds(store, holds)
    const answered = await laneOf(store, lane)
    assert.ok(answered.holdLeft !== null && answered.holdLeft > 0, 'and it stands')
    assert.deepEqual(await store.admin.move([id], { kind: 'cancel' }, holds), { moved: [id], busy: [] })
  }),
  it('clock set back: a lease from before ends within the longest that there is, and its worker may renew it', async (fixture) => {
    const { store, setBack } = fixture
    const { coordination } = store
    const dead = await coordination.enter({ name: 'dead', backends: [BACKEND], lease: LONG_LEASE })
    const alive = await coordination.enter({ name: 'alive', backends: [BACKEND], lease: LONG_LEASE })
    const left = async (call: 'look' | 'survey', id: string) =>
      (await coordination[call]([BACKEND])).workers.find((worker) => worker.id === id)?.leaseLeft ?? 0
    await setBack(HOUR)
    assert.equal(await left('look', dead), LONGEST_LEASE, 'nothing is written')
    assert.equal(await coordination.renew(alive, LONG_LEASE), true)
    for (const id of [dead, alive]) assert.ok((await left('survey', id)) > LONG_LEASE / 2, 'nobody has ended')
    assert.ok((await left('survey', dead)) <= LONGEST_LEASE)
    assert.ok((await left('survey', alive)) <= LONG_LEASE)
    // As if ten minutes had passed.
    await setBack(-LONGEST_LEASE)
    assert.equal(await coordination.renew(alive, LONG_LEASE), false, 'of which it renewed nothing')
    assert.deepEqual((await coordination.survey([BACKEND])).workers, [])
  }),
  it('clock set back: what began before has lasted no time, and not less', async ({ store, setBack }) => {
    const { breakers, destinations } = store.coordination
    await own(store)
    await insertOne(store)
    await breakers.open(BACKEND, 1_000, 'down')
    await destinations.open(BACKEND, 'there', 1_000, 'down')
    await setBack(HOUR)
    assert.equal((await store.coordination.look([BACKEND])).breakers[0]?.since, 0)
    assert.equal((await destinations.list(BACKEND))[0]?.since, 0)
    const { backends } = await store.admin.look()
    const { ready, oldestReadyAge } = backends.find(({ backend }) => backend === BACKEND) ?? {}
    assert.deepEqual([ready?.count, oldestReadyAge], [1, 0])
  }),
]
