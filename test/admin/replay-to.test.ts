import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OperationRunner } from '../../src/admin/operation-runner.ts'
import { delivered } from '../../src/backend/backend.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { recordingBackend, TestOutbox } from '../relay/outbox.ts'
import { STORES } from '../support/stores.ts'

/** The numbers that a key's events carry, in the order in which they arrived. */
const numbersOf = (events: readonly OutgoingEvent[], key: string) =>
  events.filter(({ partitionKey }) => partitionKey === key).map(({ data }) => Number(data))

for (const { name, skip, open } of STORES) {
  describe(`a replay to another backend: ${name}`, { skip }, () => {
    test('brings each event there in the order of its key, under its id, and no handler is called again', async (t) => {
      const { store, close } = await open()
      t.after(close)
      const other = recordingBackend()
      await using outbox = new TestOutbox({ other }, store)
      const { broadcaster, backend } = outbox
      const { admin } = broadcaster
      let handled = 0
      // A consumer with an inbox, behind each of the two.
      const consume = async (event: OutgoingEvent) => {
        await broadcaster.transaction((tx) => broadcaster.inbox.once(tx, 'billing', event, async () => void handled++))
        return delivered
      }
      backend.behaviour = consume
      other.behaviour = consume
      const keys = Array.from({ length: 60 }, (_, n) => `k${n % 4}`)
      const events = await outbox.publish(keys, { backendConfig: { stream: 'of main' } })
      await broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.published').length === 60)
      assert.equal(handled, 60)

      const { moved } = await admin.replay({ eventType: 'test.happened' }, { to: 'other', by: 'ops' })
      assert.deepEqual(moved.toSorted(), events.map(({ id }) => id).toSorted())
      await outbox.until(() => other.received.length === 60)
      for (const key of new Set(keys))
        assert.deepEqual(numbersOf(other.received, key), numbersOf(backend.received, key))
      const sent = new Map(backend.received.map((event) => [event.id, event]))
      for (const { id, source, time, config } of other.received) {
        assert.deepEqual([source, time], [sent.get(id)?.source, sent.get(id)?.time])
        assert.deepEqual(config, {}, 'what was meant for the one is not for the other')
      }
      assert.equal(backend.received.length, 60)
      await outbox.until(() => outbox.heard('event.published').length === 120)

      // Once more, in the background: the rows that are there now, marked and throttled.
      const { id, to } = await admin.operations.start({
        ...{ do: 'replay', filter: { publisherBackend: 'main' }, to: 'other', rate: 1_000, by: 'ops' },
      })
      assert.equal(to, 'other')
      await outbox.until(() => other.received.length === 120)
      const again = other.received.slice(60)
      for (const key of new Set(keys)) assert.deepEqual(numbersOf(again, key), numbersOf(backend.received, key))
      assert.deepEqual(new Set(again.map(({ extensions }) => extensions?.['replay'])), new Set([id]))
      assert.equal(await admin.count(), 120, 'a row for each backend, and no more')
      assert.equal(handled, 60, 'a consumer with an inbox calls its handler 0 times more')
      const [first, second] = await admin.audit({ what: 'replay' })
      assert.deepEqual([second?.who, second?.target.to, second?.counts.moved], ['ops', 'other', 60])
      assert.deepEqual([first?.operation, first?.target.to], [id, 'other'])
    })

    test('of events that several backends have goes to the one, once, and to its own as they are', async (t) => {
      const { store, close } = await open()
      t.after(close)
      const other = recordingBackend()
      const third = recordingBackend()
      await using outbox = new TestOutbox({ other, third }, store)
      const { broadcaster } = outbox
      const { admin } = broadcaster
      const [both] = await outbox.publish(['k'], { backend: ['main', 'other'] })
      await broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.published').length === 2)
      const { moved } = await admin.replay({ status: 'published' }, { to: 'third' })
      assert.equal(moved.length, 1, 'two rows of one event make one')
      await outbox.until(() => third.received.length === 1)
      assert.equal(third.received[0]?.id, both?.eventId)
      await outbox.until(() => outbox.heard('event.published').length === 3)
      await admin.replay({ publisherBackend: 'other' }, { to: 'other' })
      await outbox.until(() => other.received.length === 2)
      assert.equal(await admin.count(), 3)
    })

    test('is exact where a step is made again after its process died and its events were sent', async (t) => {
      const { store, close } = await open()
      t.after(close)
      const other = recordingBackend()
      await using outbox = new TestOutbox({ other }, store)
      const { broadcaster, backend } = outbox
      const { admin } = broadcaster
      await outbox.publish(Array.from({ length: 20 }, (_, n) => `k${n % 3}`))
      await broadcaster.processPendingEvents()
      for (const to of ['other', undefined] as const) {
        const { id } = await admin.operations.start({ do: 'replay', filter: { publisherBackend: 'main' }, to })
        // It dies between its moves and the writing down of its step.
        const advance = () => new Promise<never>(() => undefined)
        void new OperationRunner({ ...store, operations: { ...store.operations, advance } }).step()
        while ((await admin.operations.get(id)).moved < 20) await new Promise((resolve) => setTimeout(resolve, 5))
        // As if its lease had ended.
        await admin.operations.pause(id)
        await admin.operations.resume(id)
        await broadcaster.processPendingEvents()
        const runner = new OperationRunner(store)
        while (Number.isFinite(await runner.step()));
        await broadcaster.processPendingEvents()
        const { state, moved } = await admin.operations.get(id)
        assert.deepEqual([state, moved], ['done', 20])
      }
      assert.equal(other.received.length, 20, 'none went there twice')
      assert.equal(backend.received.length, 40, 'nor did any come back twice')
      assert.deepEqual(numbersOf(backend.received.slice(20), 'k1'), numbersOf(other.received, 'k1'))
    })
  })
}

test('a backend that is not there, or has no meaning, is refused before anything is written', async () => {
  await using outbox = new TestOutbox()
  const { admin } = outbox.broadcaster
  await assert.rejects(admin.replay({ all: true }, { to: 'mian' }), { code: 'UNKNOWN_BACKEND', field: 'to' })
  const start = (options: object) => admin.operations.start({ do: 'replay', filter: { all: true }, ...options })
  await assert.rejects(start({ to: 'mian' }), { code: 'UNKNOWN_BACKEND', field: 'to' })
  await assert.rejects(start({ do: 'requeue', to: 'main' }), { code: 'INVALID_OPTION', field: 'to' })
  assert.equal((await admin.audit()).length, 0)
})
