import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { QUICK, recordingBackend, TestOutbox } from '../relay/outbox.ts'
import { STORES } from '../support/stores.ts'

for (const { name, skip, open } of STORES) {
  test(`a test event goes to one backend, is told apart, and is in the audit: ${name}`, { skip }, async (t) => {
    const { store, close } = await open()
    t.after(close)
    const other = recordingBackend()
    await using outbox = new TestOutbox({ other }, store)
    const { admin } = outbox.broadcaster
    const id = await admin.testEvent('other', { by: 'ops', reason: 'after the update' })
    assert.equal(await outbox.broadcaster.processPendingEvents(), 1)
    const [event] = other.received
    assert.deepEqual(
      [event?.id, event?.type, event?.source, event?.data, event?.partitionKey],
      [id, 'ts-broadcaster.test', '/ts-broadcaster/test', { test: true }, undefined],
    )
    assert.equal(outbox.backend.received.length, 0)
    assert.equal((await admin.get(id)).status, 'published')
    const [entry] = await admin.audit()
    assert.deepEqual(
      [entry?.who, entry?.what, entry?.target, entry?.reason, entry?.counts.moved],
      ['ops', 'test-event', { backend: 'other' }, 'after the update', 1],
    )
  })
}

describe('a test event', () => {
  test('has one attempt, and says how that failed', async () => {
    await using outbox = new TestOutbox()
    const { broadcaster, backend } = outbox
    backend.behaviour = () => ({ ok: false, error: new BroadcasterError('SEND_FAILED', 'no such topic') })
    const id = await broadcaster.admin.testEvent('main', { data: { to: 'whom' } })
    await broadcaster.processPendingEvents()
    const { status, lastError, data, retryCount } = await broadcaster.admin.get(id)
    assert.deepEqual([status, data, retryCount], ['failed', { to: 'whom' }, 1])
    assert.match(lastError, /no such topic/)
  })

  test('needs no place in the catalogue; what else is wrong is refused', async () => {
    const main = { ...recordingBackend(), maxEventBytes: 1_000 }
    await using broadcaster = new Broadcaster({
      ...{ store: memoryStore(), backends: { main }, worker: QUICK },
      events: { 'order.created': z.object({ n: z.number() }) },
    })
    const { admin } = broadcaster
    await admin.testEvent('main')
    await assert.rejects(broadcaster.events.create({ type: 'ts-broadcaster.test', source: '/' } as never), {
      code: 'UNKNOWN_EVENT_TYPE',
    })
    await assert.rejects(admin.testEvent('mian'), { code: 'UNKNOWN_BACKEND', field: 'backend' })
    await assert.rejects(admin.testEvent('main', { data: 'x'.repeat(2_000) }), { code: 'EVENT_TOO_LARGE' })
    await assert.rejects(admin.testEvent('main', { by: '' }), { code: 'INVALID_OPTION', field: 'by' })
    assert.equal(await admin.count(), 1)
    assert.deepEqual(
      (await admin.audit()).map(({ outcome }) => outcome),
      ['failed', 'done'],
    )
  })
})
