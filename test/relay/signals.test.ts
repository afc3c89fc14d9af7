import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { PermanentError } from '../../src/backend/send-error.ts'
import { COLUMN_NAMES } from '../../src/record/columns.ts'
import type { OutboxEvent } from '../../src/record/outbox-event.ts'
import type { Store } from '../../src/store/store.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { STORES } from '../support/stores.ts'
import { TestOutbox } from './outbox.ts'

for (const { name, skip, open } of STORES) {
  describe(`what a listener reads of an event: ${name}`, { skip }, () => {
    test('is all of it, as it was just settled', async (t: TestContext) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store as Store)
      outbox.backend.behaviour = (event) => {
        if (event.partitionKey === 'good') return delivered
        return notDelivered(event.partitionKey === 'bad' ? new PermanentError('never') : new Error('not now'))
      }
      await outbox.publish(['good', 'retried', 'bad', 'bad'])
      await outbox.broadcaster.worker({ retry: { base: 60_000, jitter: 'none' } }).start()
      for (const signal of ['event.published', 'event.retried', 'event.failed', 'event.blocked'] as const) {
        await outbox.until(() => outbox.heard(signal).length === 1)
        const told = outbox.heard(signal)[0]?.record as OutboxEvent
        // Every column can be read, and is what the database says.
        const stored = await outbox.broadcaster.events.get(told.id)
        await stored.load()
        for (const column of COLUMN_NAMES) assert.deepEqual(told[column], stored[column], `${signal}: ${column}`)
        assert.deepEqual(told.attempts, stored.attempts)
        JSON.stringify(told)
      }
      const [published] = outbox.heard('event.published')
      assert.equal(published?.record.status, 'published')
      assert.ok(published?.record.publishedAt instanceof Date)
      const [failed] = outbox.heard('event.failed')
      assert.equal(failed?.record.status, 'failed')
      assert.match(failed?.record.lastError ?? '', /never/)
      assert.equal(failed?.record.attempts.length, 1)
    })
  })
}

test('an alert that throws at the first failure does not end the worker, and is reported', async () => {
  await using outbox = new TestOutbox()
  outbox.backend.behaviour = (event) =>
    event.partitionKey === 'bad' ? notDelivered(new PermanentError('no')) : delivered
  const stop = onSignal('event.failed', () => {
    throw new Error('the pager is down')
  })
  await outbox.publish(['bad', 'a', 'b'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 2 && outbox.heard('listener.failed').length === 1)
  stop()
  assert.equal(outbox.heard('listener.failed')[0]?.signal, 'event.failed')
})

test('a store that cannot be read again keeps no signal back, and every column can be read all the same', async () => {
  await using outbox = new TestOutbox()
  const admin = outbox.broadcaster.store.admin as { list: unknown }
  admin.list = () => new Promise(() => undefined)
  await outbox.publish(['a'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 1)
  const { record } = outbox.heard('event.published')[0] ?? assert.fail('nothing was told')
  for (const column of COLUMN_NAMES) assert.notEqual(record[column], undefined)
  assert.equal(record.status, 'published')
})
