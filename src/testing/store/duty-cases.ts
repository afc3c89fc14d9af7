import assert from 'node:assert/strict'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { BACKEND, LONG_LEASE, until } from './steps.ts'

const [A, B] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222']

/** What one worker at a time does for all. */
export const dutyCases: readonly StoreCase[] = [
  it('duties: one holder has a duty until it gives it back, and may take it again', async ({ store }) => {
    const { duties } = store.coordination
    assert.equal(await duties.take('clean-up', A, LONG_LEASE), true)
    assert.equal(await duties.take('clean-up', B, LONG_LEASE), false)
    assert.equal(await duties.take('clean-up', A, LONG_LEASE), true, 'extended')
    assert.equal(await duties.take('other', B, LONG_LEASE), true, 'another duty')
    await duties.giveBack('clean-up', B)
    assert.equal(await duties.take('clean-up', B, LONG_LEASE), false, 'only its holder gives it back')
    await duties.giveBack('clean-up', A)
    assert.equal(await duties.take('clean-up', B, LONG_LEASE), true)
    assert.equal(await duties.take('clean-up', A, LONG_LEASE), false)
  }),
  it('duties: one whose lease is over is taken by another, and who had it does not get it back', async ({ store }) => {
    const { duties } = store.coordination
    assert.equal(await duties.take('clean-up', A, 20), true)
    await until('the lease is over', () => duties.take('clean-up', B, LONG_LEASE))
    assert.equal(await duties.take('clean-up', A, LONG_LEASE), false)
    await duties.giveBack('clean-up', A)
    assert.equal(await duties.take('clean-up', A, LONG_LEASE), false)
  }),
  it('duties: of ten that take one at the same moment one gets it', async ({ store }) => {
    const holders = Array.from({ length: 10 }, (_, n) => `${n}3333333-3333-4333-8333-333333333333`)
    const taken = await Promise.all(holders.map((holder) => store.coordination.duties.take('x', holder, LONG_LEASE)))
    assert.equal(taken.filter(Boolean).length, 1)
  }),
  it('coordination: a worker is listed with its version, or with none', async ({ store }) => {
    const { coordination } = store
    const told = await coordination.enter({ name: 'a', backends: [BACKEND], lease: LONG_LEASE, version: '1.2.3' })
    await coordination.enter({ name: 'b', backends: [BACKEND], lease: LONG_LEASE })
    for (const { workers } of [await coordination.survey([BACKEND]), await coordination.look([BACKEND])]) {
      assert.deepEqual(
        new Map(workers.map(({ id, version }) => [id === told, version])),
        new Map([
          [true, '1.2.3'],
          [false, null],
        ]),
      )
    }
  }),
]
