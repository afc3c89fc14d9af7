import assert from 'node:assert/strict'
import type { PauseRow } from '../../store/coordination-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it, ofTwo, requires } from './fixture.ts'
import { assertColumns, BACKEND } from './steps.ts'

async function pauseOf(store: Store, backend: string = BACKEND): Promise<PauseRow | null> {
  const { breakers } = await store.coordination.survey([backend])
  return breakers.find((each) => each.backend === backend)?.paused ?? null
}

/** A pause, which is independent of the breaker. */
export const pauseCases: readonly StoreCase[] = [
  it('pause: begins once, ends once, and tells who and why', async ({ store }) => {
    const { breakers } = store.coordination
    assert.equal(await pauseOf(store), null)
    assert.equal(await breakers.resume(BACKEND), false)
    assert.equal(await breakers.pause(BACKEND, 'Zo\u00eb', "partner's window \u2615"), true)
    assert.equal(await breakers.pause(BACKEND, 'other', 'later'), false)
    const paused = await pauseOf(store)
    assertColumns(paused ?? undefined, { by: 'Zo\u00eb', reason: "partner's window \u2615" })
    assert.ok(paused && paused.since >= 0 && paused.since < 30_000)
    assert.equal(await pauseOf(store, 'other'), null)
    assert.deepEqual((await store.coordination.look([BACKEND])).breakers[0]?.paused?.by, 'Zo\u00eb')
    assert.equal(await breakers.resume(BACKEND), true)
    assert.equal(await breakers.resume(BACKEND), false)
    assert.equal(await pauseOf(store), null)
    assert.equal(await breakers.pause(BACKEND, 'again', ''), true)
    assertColumns((await pauseOf(store)) ?? undefined, { by: 'again', reason: '' })
  }),
  it('pause: breaker and pause leave each other alone', async ({ store }) => {
    const { breakers } = store.coordination
    await breakers.pause(BACKEND, 'ops', '')
    const [row] = (await store.coordination.survey([BACKEND])).breakers
    assert.equal(row?.open, false)
    assert.equal(await breakers.close(BACKEND), false)
    assert.equal(await breakers.open(BACKEND, 60_000, 'refused'), true)
    assert.equal((await pauseOf(store))?.by, 'ops')
    assert.equal(await breakers.close(BACKEND), true)
    assert.equal((await pauseOf(store))?.by, 'ops')
    await breakers.open(BACKEND, 60_000, 'refused')
    assert.equal(await breakers.resume(BACKEND), true)
    assert.equal((await store.coordination.survey([BACKEND])).breakers[0]?.open, true)
  }),
  ofTwo('pause: of two who pause one does', async (store, second) => {
    const pauses = [store, second].map(({ coordination }, n) => coordination.breakers.pause(BACKEND, `${n}`, ''))
    const [mine, other] = await Promise.all(pauses)
    assert.notEqual(mine, other)
    assert.equal((await pauseOf(second))?.by, mine ? '0' : '1')
  }),
  requires('wake')('pause: tells the workers', async ({ store }) => {
    const { wake, coordination } = store
    assert.ok(wake)
    let woken = (): void => undefined
    const listener = await wake.listen(
      (about) => about !== 'events' && woken(),
      () => undefined,
    )
    try {
      for (const change of [
        () => coordination.breakers.pause(BACKEND, 'ops', ''),
        () => coordination.breakers.resume(BACKEND),
      ]) {
        const told = new Promise<void>((resolve) => {
          woken = resolve
        })
        await listener.arm()
        assert.equal(await change(), true)
        await told
      }
    } finally {
      await listener.close()
    }
  }),
]
