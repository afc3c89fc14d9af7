import assert from 'node:assert/strict'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { BACKEND, insertIn, insertOne, moveNow, newEvent, own, rolledBack, until } from './steps.ts'

/** Listens, armed, while `work` runs, and waits until it was woken. */
async function isWoken(listening: Store, work: () => Promise<unknown>): Promise<void> {
  let woken = 0
  const listener = await listening.wake?.listen(
    () => {
      woken++
    },
    (error) => assert.fail(`lost: ${error}`),
  )
  assert.ok(listener)
  try {
    await until('it can be armed', () => listener.arm())
    woken = 0
    await work()
    await until('woken', async () => woken > 0)
  } finally {
    await listener.close()
    await listener.close()
  }
}

async function withAnother(
  open: (() => Promise<Store>) | undefined,
  work: (second: Store) => Promise<void>,
): Promise<void> {
  const second = await open?.()
  assert.ok(second)
  try {
    await work(second)
  } finally {
    await second.close()
  }
}

/** Wake-up by the database. */
export const wakeCases: readonly StoreCase[] = [
  {
    name: 'wake: a commit of a due event wakes an armed listener',
    requires: 'wake',
    run: ({ store }) => isWoken(store, () => insertOne(store)),
  },
  {
    name: 'wake: again after it was disarmed and armed',
    requires: 'wake',
    async run({ store }) {
      let woken = 0
      const listener = await store.wake?.listen(
        () => {
          woken++
        },
        () => {},
      )
      assert.ok(listener)
      try {
        for (let round = 0; round < 3; round++) {
          await until('it can be armed', () => listener.arm())
          woken = 0
          await insertOne(store)
          await until('woken', async () => woken > 0)
          await listener.disarm()
        }
      } finally {
        await listener.close()
      }
    },
  },
  {
    name: 'wake: a rollback does not spoil the next commit',
    requires: 'wake',
    run: ({ store }) =>
      isWoken(store, async () => {
        await rolledBack(store, async (tx) => {
          await insertIn(store, tx, [newEvent()])
        })
        await insertOne(store)
      }),
  },
  {
    name: 'wake: a commit by another process',
    requires: 'another',
    run: ({ store, another }) =>
      withAnother(another, async (second) => {
        if (store.wake) await isWoken(store, () => insertOne(second))
      }),
  },
  {
    name: 'wake: an operator, and lanes given back, wake the others',
    requires: 'another',
    run: ({ store, another }) =>
      withAnother(another, async (second) => {
        if (!store.wake) return
        const { workerId } = await own(second)
        const { id } = await insertOne(second)
        await isWoken(store, () => moveNow(second, [id], { kind: 'markFailed', error: 'no' }))
        await isWoken(store, () => moveNow(second, [id], { kind: 'requeue' }))
        // As they are now: the operator's holds were answered under new fences.
        const { lanes } = await second.coordination.survey([BACKEND])
        await isWoken(store, () => second.coordination.release(workerId, lanes.slice(0, 1)))
        await isWoken(store, () => second.coordination.leave(workerId))
      }),
  },
]
