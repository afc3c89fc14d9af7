import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import { TestOutbox } from './outbox.ts'

test('an outage seen by a send from before the backend came back does not open the breaker again', async () => {
  await using outbox = new TestOutbox()
  const late = Promise.withResolvers<void>()
  const tries = new Map<unknown, number>()
  outbox.backend.behaviour = async ({ data }) => {
    const count = (tries.get(data) ?? 0) + 1
    tries.set(data, count)
    if (count > 1) return delivered
    if (data === 2) await late.promise
    return notDelivered(new OutageError(data === 2 ? 'away, long ago' : 'away'))
  }
  await outbox.publish(['a', 'b'])
  await using worker = outbox.broadcaster.worker({ batchSize: 1, concurrency: 2 })
  await worker.start()
  await outbox.until(() => outbox.heard('backend.up').length === 1)
  assert.equal(tries.get(2), 1, 'still under way')
  late.resolve()
  await outbox.until(() => outbox.heard('event.published').length === 2)
  assert.equal(outbox.heard('backend.down').length, 1)
})
