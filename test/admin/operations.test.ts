import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Operation } from '../../src/admin/background-operations.ts'
import { OperationRunner } from '../../src/admin/operation-runner.ts'
import type { Broadcaster } from '../../src/broadcaster.ts'
import type { Store } from '../../src/store/store.ts'
import { TestOutbox } from '../relay/outbox.ts'
import { STORES } from '../support/stores.ts'

const runnerOn = (store: Store): OperationRunner => new OperationRunner(store)

/** Makes steps until there is nothing to be done. */
async function runAll(runner: OperationRunner): Promise<void> {
  while (Number.isFinite(await runner.step()));
}

async function countOf(broadcaster: Broadcaster, status: 'cancelled' | 'pending' | 'published'): Promise<number> {
  return broadcaster.admin.count({ status })
}

const told = ({ state, matched, moved, leftAlone }: Operation) => [state, matched, moved, leftAlone]

for (const { name, skip, open } of STORES) {
  describe(`an operation in the background: ${name}`, { skip }, () => {
    test('is made by whoever goes on with it, to exact counts, and is in the audit', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { broadcaster } = outbox
      const { admin } = broadcaster
      await outbox.publish(Array.from({ length: 1_300 }, (_, n) => `k${n % 7}`))
      const { id } = await admin.operations.start({ do: 'cancel', filter: { eventType: 'test.happened' }, by: 'ops' })
      // It came later, and is none of it: not in the same millisecond, which is as fine as the cut at the start is.
      await new Promise((resolve) => setTimeout(resolve, 5))
      const [late] = await outbox.publish(['late'])
      const first = runnerOn(store)
      await first.step()
      assert.deepEqual(told(await admin.operations.get(id)), ['running', 1_300, 500, 0])
      await runAll(first)
      assert.deepEqual(told(await admin.operations.get(id)), ['done', 1_300, 1_300, 0])
      assert.equal(await countOf(broadcaster, 'cancelled'), 1_300)
      assert.equal((await admin.get(late?.id ?? '')).status, 'pending')
      const [entry] = await admin.audit({ operation: id })
      assert.deepEqual([entry?.who, entry?.what, entry?.outcome, entry?.counts.moved], ['ops', 'cancel', 'done', 1_300])
    })

    test('is paused, goes on, and is cancelled half-way; what was moved stays moved', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin } = outbox.broadcaster
      await outbox.publish(Array.from({ length: 60 }, () => null))
      const { id } = await admin.operations.start({ do: 'cancel', filter: { all: true }, rate: 20 })
      const runner = runnerOn(store)
      const pause = await runner.step()
      assert.ok(pause > 900 && pause <= 1_000, 'throttled: 20 at 20 a second')
      assert.equal(await runner.step(), Number.POSITIVE_INFINITY, 'not due yet')
      assert.equal(await admin.operations.pause(id, { by: 'ops' }), true)
      assert.equal(await admin.operations.pause(id), false)
      assert.equal((await admin.operations.get(id)).state, 'paused')
      assert.equal(await admin.operations.resume(id), true)
      assert.equal(await admin.operations.cancel(id, { by: 'ops' }), true)
      assert.equal(await admin.operations.cancel(id), false)
      await runAll(runner)
      assert.deepEqual(told(await admin.operations.get(id)), ['cancelled', 60, 20, 0])
      assert.equal(await countOf(outbox.broadcaster, 'cancelled'), 20)
      const story = (await admin.audit({ operation: id })).map(({ what, outcome }) => `${what} ${outcome}`)
      assert.deepEqual(story.reverse(), [
        ...['cancel stopped', 'pause-operation done', 'pause-operation done', 'resume-operation done'],
        ...['cancel-operation done', 'cancel-operation done'],
      ])
    })

    test('is carried on by a worker, beside the relay, in the order of the keys', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { broadcaster, backend } = outbox
      const keys = Array.from({ length: 120 }, (_, n) => `k${n % 5}`)
      const events = await outbox.publish(keys)
      await broadcaster.admin.cancel(events.map(({ id }) => id))
      await broadcaster.admin.operations.start({ do: 'requeue', filter: { status: 'cancelled' } })
      await broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.published').length === 120)
      for (const key of new Set(keys)) {
        const numbers = backend.received.filter((event) => event.partitionKey === key).map(({ data }) => Number(data))
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
        )
      }
    })
  })
}

test('a rate is kept: what a late step missed is made up by a shorter pause', async () => {
  await using outbox = new TestOutbox()
  const { store, admin } = outbox.broadcaster
  await outbox.publish(Array.from({ length: 120 }, () => null))
  await admin.operations.start({ do: 'cancel', filter: { all: true }, rate: 40 })
  const runner = runnerOn(store)
  const pause = await runner.step()
  const due = performance.now() + pause
  while (performance.now() < due + 200) await new Promise((resolve) => setTimeout(resolve, 50))
  const next = await runner.step()
  assert.ok(next <= 800, `begun 200 ms late, it pauses for ${next} ms`)
  assert.equal(await runner.step(), Number.POSITIVE_INFINITY, 'the store waits as long')
})

test('what makes no sense is refused before anything is written', async () => {
  await using outbox = new TestOutbox()
  const { operations } = outbox.broadcaster.admin
  const filter = { status: 'failed' } as const
  for (const [wrong, field] of [
    [{ do: 'send', filter }, 'do'],
    [{ do: 'requeue', filter: {} }, 'filter'],
    [{ do: 'requeue', filter, rate: 0 }, 'rate'],
    [{ do: 'reschedule', filter }, 'at'],
    [{ do: 'requeue', filter, at: new Date() }, 'at'],
    [{ do: 'requeue', filter, by: '' }, 'by'],
  ] as const) {
    await assert.rejects(operations.start(wrong as Parameters<typeof operations.start>[0]), {
      code: 'INVALID_OPTION',
      field,
    })
  }
  await assert.rejects(operations.get(7), { code: 'DOES_NOT_EXIST', field: 'id' })
  assert.deepEqual(await operations.list(), [])
})
