import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { delivered } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { dataOf, recordingBackend, TestOutbox } from '../relay/outbox.ts'
import { STORES } from '../support/stores.ts'

const refused = { ok: false, error: new BroadcasterError('SEND_PERMANENT', 'no such price') } as const

for (const { name, skip, open } of STORES) {
  describe(`a corrected event: ${name}`, { skip }, () => {
    test('is sent in the place of the failed one, before what waited behind that', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { backend, broadcaster } = outbox
      const { admin } = broadcaster
      backend.behaviour = ({ data }) => (data === 2 ? refused : delivered)
      const [, old] = await outbox.publish(['k', 'k', 'k', 'k'])
      assert.ok(old)
      await broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.failed').length === 1)
      const event = await admin.correct(old.id, { data: 2.5 }, { by: 'oncall', reason: 'the price' })
      await outbox.publish(['k'])
      await outbox.until(() => backend.received.length === 5)
      assert.deepEqual(dataOf(backend.received), [1, 2.5, 3, 4, 1])
      const sent = backend.received[1]
      assert.equal(sent?.id, event.id)
      assert.notEqual(sent?.id, old.id)
      assert.equal(sent?.extensions?.['correctionof'], old.id)
      assert.equal(sent?.time, old.createdAt.toISOString(), 'it happened when it happened')
      assert.equal((await admin.get(old.id)).status, 'cancelled')
      const [entry] = await admin.audit()
      assert.deepEqual(
        [entry?.who, entry?.what, entry?.outcome, entry?.counts, entry?.target],
        [...['oncall', 'correct', 'done', { moved: 1 }], { ids: [old.id], to: { id: event.id, changed: ['data'] } }],
      )
    })

    test('takes the place of one that waits behind a blocked key, and waits there', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { backend, broadcaster } = outbox
      const { admin } = broadcaster
      backend.behaviour = ({ data }) => (data === 1 ? refused : delivered)
      const [head, waiting] = await outbox.publish(['k', 'k', 'k'])
      await broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.failed').length === 1)
      await admin.correct(waiting?.id ?? '', { data: 'two' })
      backend.behaviour = () => delivered
      await admin.requeue(head?.id ?? '')
      await outbox.until(() => backend.received.length === 3)
      assert.deepEqual(dataOf(backend.received), [1, 'two', 3])
    })

    test('comes too late for one that is being sent, and says so', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { backend, broadcaster } = outbox
      const { admin } = broadcaster
      const { promise, resolve } = Promise.withResolvers<typeof delivered>()
      const started = Promise.withResolvers<void>()
      backend.behaviour = () => {
        started.resolve()
        return promise
      }
      const [old] = await outbox.publish(['k'])
      await broadcaster.worker().start()
      await started.promise
      const correcting = admin.correct(old?.id ?? '', { data: 2 })
      setTimeout(() => resolve(delivered), 200)
      await assert.rejects(correcting, { code: 'ILLEGAL_STATUS_MOVE', field: 'id', message: /too late/ })
      await assert.rejects(admin.correct(old?.id ?? '', { data: 2 }), { code: 'ILLEGAL_STATUS_MOVE' })
      assert.equal(await admin.count(), 1)
      const [entry, ...more] = await admin.audit()
      assert.deepEqual([entry?.outcome, entry?.counts, more.length], ['failed', { moved: 0, tooLate: 1 }, 0])
    })

    test('while workers send: each event is sent once, as it was or as corrected, in the order of its key', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { backend, broadcaster } = outbox
      backend.behaviour = () => new Promise((resolve) => setTimeout(resolve, 40, delivered))
      const events = await outbox.publish(Array.from({ length: 240 }, (_, n) => `k${n % 6}`))
      await broadcaster.worker({ batchSize: 5, concurrency: 2 }).start()
      let corrected = 0
      for (let n = 0; n < 240; n += 12) {
        // From the end: what is near the head is gone before it can be corrected.
        const old = events[239 - n]
        const changed = await broadcaster.admin.correct(old?.id ?? '', { subject: 'corrected' }).catch((error) => {
          assert.equal(error.code, 'ILLEGAL_STATUS_MOVE')
        })
        if (changed) corrected++
      }
      await outbox.until(() => backend.received.length >= 240)
      assert.ok(corrected > 0, 'some came in time')
      assert.equal(backend.received.filter(({ subject }) => subject === 'corrected').length, corrected)
      for (let key = 0; key < 6; key++) {
        const wanted = Array.from({ length: 40 }, (_, n) => 6 * n + key + 1)
        assert.deepEqual(dataOf(backend.received, `k${key}`), wanted)
      }
    })
  })
}

test('data that is left as it is stays so to the letter', async () => {
  await using outbox = new TestOutbox()
  const { admin } = outbox.broadcaster
  const [old] = await outbox.broadcaster.transaction((tx) =>
    outbox.broadcaster.publishMany(tx, [
      {
        ...{
          type: 'order.created',
          source: '/shop',
          subject: 's',
          partitionKey: 'k',
          id: 'mine',
          time: '2026-01-31T12:00:00+01:00',
        },
        ...{ data: { n: 12345678901234567890n, f: JSON.parse('1.10') }, extensions: { tenant: 'a', gone: 'x' } },
      },
    ]),
  )
  const event = await admin.correct(old?.id ?? '', {
    ...{ type: 'order.made', subject: null, extensions: { gone: null, added: 1 }, maxRetries: 3 },
  })
  assert.equal(event.dataJson, old?.dataJson)
  assert.deepEqual(
    [event.eventType, event.subject, event.source, event.partitionKey, event.eventTime, event.maxRetries],
    ['order.made', '', '/shop', 'k', '2026-01-31T12:00:00+01:00', 4],
  )
  assert.deepEqual(event.extensions, { tenant: 'a', added: 1, correctionof: 'mine' })
  assert.equal(event.eventId, event.id)
  // And corrected once more: it names the one before it.
  const again = await admin.correct(event.id, {
    data: Uint8Array.of(1, 2),
    dataContentType: 'application/octet-stream',
  })
  assert.equal(again.extensions['correctionof'], event.id)
  assert.deepEqual(again.dataBinary, Uint8Array.of(1, 2))
})

test('is checked as a publish is, and errors name the field', async () => {
  const main = { ...recordingBackend(), maxEventBytes: 1_000 }
  main.checkConfig = (config: Readonly<Record<string, unknown>>) => {
    if (!('topic' in config)) throw new BroadcasterError('INVALID_OPTION', 'topic is missing', { field: 'topic' })
  }
  await using broadcaster = new Broadcaster({
    store: memoryStore(),
    backends: { main },
    events: { 'order.created': z.object({ n: z.number() }) },
  })
  const { admin } = broadcaster
  const old = await broadcaster.events.create(
    { type: 'order.created', source: '/shop', data: { n: 1 }, partitionKey: 'k' },
    { backendConfig: { topic: 'a' } },
  )
  for (const [changes, code, field] of [
    [{ data: { n: 'one' } }, 'INVALID_DATA', 'data.n'],
    [{ type: 'order.crated' }, 'UNKNOWN_EVENT_TYPE', 'type'],
    [{ source: 'not a uri' }, 'INVALID_EVENT', 'source'],
    [{ subject: 'x'.repeat(300) }, 'INVALID_EVENT', 'subject'],
    [{ extensions: { 'Not-a-name': 'x' } }, 'INVALID_EVENT', 'extensions.Not-a-name'],
    [{ extensions: { correctionof: 'x' } }, 'INVALID_OPTION', 'extensions.correctionof'],
    [{ extensions: { big: 'x'.repeat(2_000) } }, 'EVENT_TOO_LARGE', 'data'],
    [{ backendConfig: {} }, 'INVALID_OPTION', 'backendConfig.topic'],
    [{ maxRetries: -1 }, 'INVALID_OPTION', 'maxRetries'],
    [{ partitionKey: 'l' }, 'INVALID_OPTION', 'partitionKey'],
    [{ dat: 1 }, 'INVALID_OPTION', 'dat'],
    [{}, 'INVALID_OPTION', 'changes'],
  ] as const) {
    await assert.rejects(admin.correct(old.id, changes as object), { code, field }, JSON.stringify(changes))
  }
  await assert.rejects(admin.correct('x', { data: 1 }), { code: 'INVALID_OPTION', field: 'id' })
  await assert.rejects(admin.correct('0193d2a0-0000-7000-8000-000000000000', { data: 1 }), { code: 'DOES_NOT_EXIST' })
  assert.equal((await admin.audit()).length, 0, 'what was refused was not begun')
  assert.deepEqual(
    (await admin.filter().all()).map(({ status }) => status),
    ['pending'],
  )
})

test('data that a hook encodes is left as it was encoded, and new data is encoded', async () => {
  const main = recordingBackend()
  await using broadcaster = new Broadcaster({
    store: memoryStore(),
    backends: { main },
    events: { 'order.created': z.object({ n: z.number() }) },
    hooks: {
      encode: ({ data }) => ({
        data: Buffer.from(JSON.stringify(data)).reverse(),
        dataContentType: 'application/octet-stream',
      }),
    },
  })
  const { admin, events } = broadcaster
  const old = await events.create({ type: 'order.created', source: '/shop', data: { n: 1 } })
  const kept = await admin.correct(old.id, { subject: 's' })
  assert.deepEqual(
    [Buffer.from(kept.dataBinary ?? []), kept.dataContentType],
    [Buffer.from(old.dataBinary ?? []), 'application/octet-stream'],
  )
  await assert.rejects(admin.correct(kept.id, { type: 'order.x' }), { code: 'UNKNOWN_EVENT_TYPE' })
  await assert.rejects(admin.correct(kept.id, { data: { n: 'x' }, dataContentType: 'application/json' }), {
    code: 'INVALID_DATA',
  })
  const changed = await admin.correct(kept.id, { data: { n: 2 }, dataContentType: 'application/json' })
  assert.deepEqual(
    Buffer.from(changed.dataBinary ?? [])
      .reverse()
      .toString(),
    '{"n":2}',
  )
})
