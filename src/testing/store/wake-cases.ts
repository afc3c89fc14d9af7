import assert from 'node:assert/strict'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { ofTwo, requires } from './fixture.ts'
import { rolledBack } from './roll-back.ts'
import { BACKEND, insertIn, insertOne, moveNow, newEvent, own, until } from './steps.ts'

/** Listens and, for each of `works`, arms, does the work and waits to be woken. */
async function isWoken(listening: Store, ...works: readonly (() => Promise<unknown>)[]): Promise<void> {
  let woken = 0
  const listener = await listening.wake?.listen(
    () => {
      woken++
    },
    (error) => assert.fail(`lost: ${error}`),
  )
  assert.ok(listener)
  try {
    for (const work of works) {
      await listener.disarm()
      await until('it can be armed', () => listener.arm())
      woken = 0
      await work()
      await until('woken', async () => woken > 0)
    }
  } finally {
    await listener.close()
    await listener.close()
  }
}

/** Wake-up by the database. */
export const wakeCases: readonly StoreCase[] = [
  requires('wake')('wake: a commit of a due event wakes an armed listener', ({ store }) =>
    isWoken(store, () => insertOne(store)),
  ),
  requires('wake')('wake: again after it was disarmed and armed', ({ store }) => {
    const publish = () => insertOne(store)
    return isWoken(store, publish, publish, publish)
  }),
  requires('wake')('wake: a rollback does not spoil the next commit', ({ store }) =>
    isWoken(store, async () => {
      await rolledBack(store, async (tx) => {
        await insertIn(store, tx, [newEvent()])
      })
      await insertOne(store)
    }),
  ),
  ofTwo('wake: a commit by another process', async (store, second) => {
    if (store.wake) await isWoken(store, () => insertOne(second))
  }),
  ofTwo('wake: an operator, and lanes given back, wake the others', async (store, second) => {
    if (!store.wake) return
    const { workerId } = await own(second)
    const { id } = await insertOne(second)
    await isWoken(store, () => moveNow(second, [id], { kind: 'markFailed', error: 'no' }))
    await isWoken(store, () => moveNow(second, [id], { kind: 'requeue' }))
    // Read again: the operator's holds were answered under new fences.
    const { lanes } = await second.coordination.survey([BACKEND])
    await isWoken(store, () => second.coordination.release(workerId, lanes.slice(0, 1)))
    await isWoken(store, () => second.coordination.leave(workerId))
  }),
]
