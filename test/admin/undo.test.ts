import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OperationRunner } from '../../src/admin/operation-runner.ts'
import { TestOutbox } from '../relay/outbox.ts'
import { STORES } from '../support/stores.ts'

for (const { name, skip, open } of STORES) {
  describe(`undo: ${name}`, { skip }, () => {
    test('a requeue that was not sent yet: its key is blocked again, and a later requeue keeps the order', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin, events } = outbox.broadcaster
      const [first, second, third] = await outbox.publish(['a', 'a', 'b'])
      assert.ok(first && second && third)
      await events.markAsFailed(first.id, 'no')
      await admin.requeue({ status: 'failed' }, { by: 'otto', reason: 'mended' })
      const [entry] = await admin.audit({ what: 'requeue' })
      assert.ok(entry)
      const { next: _, ...counts } = await admin.undo(entry.id, { by: 'otto' })
      assert.deepEqual(counts, { undone: 1, tooLate: 0, unknown: 0 })
      assert.equal((await admin.get(first.id)).status, 'failed')
      assert.deepEqual(
        (await admin.status()).blockedKeys.map(({ partitionKey }) => partitionKey),
        ['a'],
      )
      await outbox.broadcaster.processPendingEvents()
      const sent = async () => (await admin.filter({ status: 'published' }).orderBy('seq').all()).map(({ id }) => id)
      assert.deepEqual(await sent(), [third.id], 'what waits behind it waits again')
      await admin.requeue(first.id)
      await outbox.broadcaster.processPendingEvents()
      assert.deepEqual(await sent(), [first.id, second.id, third.id])
      const [undone] = await admin.audit({ what: 'undo' })
      assert.deepEqual(
        [undone?.who, undone?.target.entry, undone?.outcome, undone?.counts],
        ['otto', entry.id, 'done', { moved: 1, tooLate: 0, unknown: 0 }],
      )
      // A second undo finds that it was requeued again, and sent.
      assert.deepEqual(await admin.undo(entry.id), { undone: 0, tooLate: 0, unknown: 0, next: null })
    })

    test('a cancel in the background: exact counts of what is back and what was too late', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin } = outbox.broadcaster
      const rows = await outbox.publish(Array.from({ length: 1_100 }, (_, n) => `k${n % 7}`))
      const { id } = await admin.operations.start({ do: 'cancel', filter: { eventType: 'test.happened' } })
      const runner = new OperationRunner(store)
      await runner.step()
      const { audit } = await admin.operations.get(id)
      assert.ok(audit !== null)
      await assert.rejects(admin.undo(audit), { code: 'ILLEGAL_STATUS_MOVE', message: /is running; cancel it first/ })
      while (Number.isFinite(await runner.step()));
      const others = rows.slice(0, 3).map((row) => row.id)
      await admin.requeue(others)
      const soFar: number[] = []
      const first = await admin.undo(audit, { time: 0, onProgress: ({ undone }) => soFar.push(undone) })
      assert.equal(first.undone + first.tooLate, 0, 'no time')
      assert.equal(first.next, null)
      const result = await admin.undo(audit, { onProgress: ({ undone }) => soFar.push(undone) })
      assert.deepEqual(result, { undone: 1_097, tooLate: 3, unknown: 0, next: null })
      assert.equal(soFar.length, 3)
      assert.equal(await admin.count({ status: 'pending' }), 1_100)
      assert.deepEqual(await admin.undo(audit), { undone: 0, tooLate: 3, unknown: 0, next: null })
    })

    test('a pause, but not one that somebody began later', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin } = outbox.broadcaster
      const backend = 'main'
      const entryOf = async (what: string) => (await admin.audit({ what, limit: 1 }))[0]?.id ?? 0
      await admin.pause(backend, { by: 'otto' })
      const first = await entryOf('pause')
      assert.equal((await admin.undo(first)).undone, 1)
      assert.deepEqual(await admin.pauses(), [])
      assert.deepEqual(await admin.undo(first), { undone: 0, tooLate: 1, unknown: 0, next: null })
      await new Promise((resolve) => setTimeout(resolve, 600))
      await admin.pause(backend, { by: 'otto' })
      assert.equal((await admin.undo(first)).undone, 0, 'this is another pause')
      assert.equal((await admin.pauses()).length, 1)
      assert.equal((await admin.undo(await entryOf('pause'))).undone, 1)
    })

    test('a pause, through a pool that lets the answers wait', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin } = outbox.broadcaster
      await admin.pause('main', { by: 'otto' })
      const [entry] = await admin.audit({ what: 'pause' })
      const { look } = store.coordination
      t.mock.method(store.coordination, 'look', async (backends: readonly string[]) => {
        await new Promise((resolve) => setTimeout(resolve, 700))
        return await look.call(store.coordination, backends)
      })
      assert.equal((await admin.undo(entry?.id ?? 0)).undone, 1)
    })

    test('what cannot be undone says so, and writes nothing', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin } = outbox.broadcaster
      await outbox.publish(['a'])
      await admin.delete({ all: true })
      const [entry] = await admin.audit({ what: 'delete' })
      await assert.rejects(admin.undo(entry?.id ?? 0), { code: 'ILLEGAL_STATUS_MOVE', field: 'entry' })
      for (const wrong of [0, -1, 1.5, Number.NaN, 999_999]) {
        await assert.rejects(admin.undo(wrong), { code: 'DOES_NOT_EXIST', field: 'entry' })
      }
      assert.deepEqual(await admin.audit({ what: 'undo' }), [])
    })
  })
}
