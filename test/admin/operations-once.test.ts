import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Operation } from '../../src/admin/background-operations.ts'
import { OperationRunner } from '../../src/admin/operation-runner.ts'
import { BroadcasterError } from '../../src/index.ts'
import type { AdminMove, AdminStore } from '../../src/store/admin-store.ts'
import type { Store } from '../../src/store/store.ts'
import { TestOutbox } from '../relay/outbox.ts'
import { STORES } from '../support/stores.ts'

const SEND: AdminMove = { kind: 'markPublished' }
const FAIL: AdminMove = { kind: 'markFailed', error: 'no' }
const CANCEL: AdminMove = { kind: 'cancel' }
const COUNT = 520

/** What is done in the background, and what happens to what was moved, so that it matches again. */
const KINDS = [
  { kind: 'replay', from: SEND, again: SEND },
  { kind: 'requeue', from: FAIL, again: FAIL },
  { kind: 'requeue', from: CANCEL, again: CANCEL },
  { kind: 'cancel', from: undefined, again: { kind: 'requeue' } },
  { kind: 'reschedule', from: undefined, again: undefined },
  { kind: 'skip', from: FAIL, again: undefined },
] as const

const told = ({ state, moved, leftAlone }: Operation) => [state, moved, leftAlone]

async function runAll(runner: OperationRunner): Promise<void> {
  while (Number.isFinite(await runner.step()));
}

function withAdmin(store: Store, admin: Partial<AdminStore>): Store {
  return { ...store, admin: { ...store.admin, ...admin } }
}

for (const { name, skip, open } of STORES) {
  describe(`an operation touches each event once: ${name}`, { skip }, () => {
    for (const { kind, from, again } of KINDS) {
      test(`${kind}, from ${from?.kind ?? 'pending'}, whose answer is lost and whose process dies`, async (t) => {
        const { store, close } = await open()
        t.after(close)
        await using outbox = new TestOutbox({}, store)
        const { operations } = outbox.broadcaster.admin
        const ids = (await outbox.publish(Array.from({ length: COUNT }, () => null))).map(({ id }) => id)
        if (from) assert.equal((await store.admin.move(ids, from, [])).moved.length, COUNT)
        const { id } = await operations.start({
          ...{ do: kind, filter: { eventType: 'test.happened' } },
          ...(kind === 'reschedule' && { at: new Date(Date.now() + 60_000) }),
        })
        // The move is made; then it matches again, and nobody hears of it.
        const move: AdminStore['move'] = async (...given) => {
          const { moved } = await store.admin.move(...given)
          if (again && moved.length > 0) await store.admin.move(moved, again, [])
          throw new BroadcasterError('STORE_UNAVAILABLE', 'the answer is lost')
        }
        const losing = new OperationRunner(withAdmin(store, { move }))
        await losing.step().catch(() => undefined)
        assert.deepEqual(told(await operations.get(id)), ['running', 500, 0])
        // As if its lease had ended.
        await operations.pause(id)
        await operations.resume(id)
        await runAll(new OperationRunner(store))
        assert.deepEqual(told(await operations.get(id)), ['done', COUNT, 0])
        const [entry] = await outbox.broadcaster.admin.audit({ operation: id, what: kind })
        assert.deepEqual([entry?.outcome, entry?.counts], ['done', { moved: COUNT, leftAlone: 0 }])
      })
    }

    test('who stood still after its look moves nothing that another has been through, or that was ended', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { operations } = outbox.broadcaster.admin
      const ids = (await outbox.publish([null, null, null])).map(({ id }) => id)
      for (const ending of ['done', 'cancelled'] as const) {
        const { id } = await operations.start({ do: 'cancel', filter: { eventType: 'test.happened' } })
        const walk: AdminStore['walk'] = async (wanted) => {
          const walked = await store.admin.walk(wanted)
          if (ending === 'cancelled') await operations.cancel(id)
          else {
            await operations.pause(id)
            await operations.resume(id)
            await runAll(new OperationRunner(store))
            await store.admin.move(ids, { kind: 'requeue' }, [])
          }
          return walked
        }
        await new OperationRunner(withAdmin(store, { walk })).step()
        assert.deepEqual(told(await operations.get(id)), [ending, ending === 'done' ? 3 : 0, 0])
        assert.equal(await outbox.broadcaster.admin.count({ status: 'pending' }), 3, ending)
      }
    })

    test('it moves nothing that another moved after the look', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin } = outbox.broadcaster
      const ids = (await outbox.publish([null, null, null])).map(({ id }) => id)
      const [chosen = ''] = ids
      await store.admin.move(ids, FAIL, [])
      const { id } = await admin.operations.start({ do: 'delete', filter: { status: 'failed' } })
      const walk: AdminStore['walk'] = async (wanted) => {
        const walked = await store.admin.walk(wanted)
        await store.admin.move([chosen], { kind: 'requeue' }, [])
        return walked
      }
      await new OperationRunner(withAdmin(store, { walk })).step()
      assert.deepEqual(told(await admin.operations.get(id)), ['done', 2, 1])
      assert.equal((await admin.get(chosen)).status, 'pending')
    })

    test('its entry in the audit is there from its first moment to its last', async (t) => {
      const { store, close } = await open()
      t.after(close)
      // A worker takes it and ends it before the one who began it hears that it has begun.
      const add: Store['operations']['add'] = async (...given) => {
        const id = await store.operations.add(...given)
        await runAll(new OperationRunner(store))
        return id
      }
      await using outbox = new TestOutbox({}, { ...store, operations: { ...store.operations, add } })
      const { admin } = outbox.broadcaster
      await outbox.publish([null, null, null])
      const { id } = await admin.operations.start({ do: 'cancel', filter: { all: true }, by: 'ops' })
      const [entry] = await admin.audit({ operation: id })
      assert.deepEqual([entry?.who, entry?.outcome, entry?.counts], ['ops', 'done', { moved: 3, leftAlone: 0 }])
      assert.ok(entry?.endedAt)
    })

    test('a cancel during a step tells what the step moved', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin } = outbox.broadcaster
      await outbox.publish(Array.from({ length: 200 }, () => null))
      const { id } = await admin.operations.start({ do: 'delete', filter: { all: true }, by: 'ops' })
      let cancelled: Promise<boolean> | undefined
      const move: AdminStore['move'] = async (...given) => {
        const moving = store.admin.move(...given)
        cancelled = admin.operations.cancel(id)
        return moving
      }
      await new OperationRunner(withAdmin(store, { move })).step()
      const stopped = await cancelled
      const { moved } = await admin.operations.get(id)
      const [entry] = await admin.audit({ operation: id, what: 'delete' })
      assert.deepEqual([entry?.outcome, entry?.counts.moved], [stopped ? 'stopped' : 'done', moved])
      assert.equal(await admin.count({}), 200 - moved)
    })
  })
}
