import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import type { RecordFilter } from '../../src/record/record-source.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { TestOutbox } from './outbox.ts'

const INT_MAX = '2147483647'
/** What each column of counts holds at most; plain SQL may put it there. */
const GREATEST = {
  postgres: [INT_MAX],
  mariadb: [INT_MAX, '4294967295'],
  mysql: [INT_MAX, '4294967295'],
  sqlite: [INT_MAX, '9223372036854775807'],
} as const

for (const { name, server, open } of PLACED_STORES) {
  describe(`numbers that nothing can be added to: ${name}`, { skip: server ? skipWithout(server) : false }, () => {
    const withOutbox = async (work: (outbox: TestOutbox, look: (sql: string) => unknown) => Promise<void>) => {
      const { store, look, close } = await open()
      await store.schema.migrate()
      try {
        await using outbox = new TestOutbox({}, store)
        await work(outbox, look)
      } finally {
        await store.close()
        await close()
      }
    }

    for (const count of GREATEST[name]) {
      test(`retry_count ${count}: what became of the event is recorded`, () =>
        withOutbox(async (outbox, look) => {
          const [first] = await outbox.publish(['refused', 'sent'])
          // More attempts are allowed than can be counted, where the column holds such a number.
          await look(`UPDATE outbox_events SET retry_count = ${count}, max_retries = ${count}`)
          outbox.backend.behaviour = ({ id }) => (id === first?.id ? notDelivered(new Error('no')) : delivered)
          await outbox.broadcaster.worker().start()
          await outbox.until(() => outbox.heard('event.failed').length + outbox.heard('event.published').length === 2)
          assert.deepEqual(outbox.heard('worker.error'), [])
          const failed = await outbox.broadcaster.events.get({ status: 'failed' })
          assert.deepEqual([failed.id, failed.retryCount], [first?.id, Number(count)])
          assert.deepEqual(
            (await failed.load('attempts')).attempts.map(({ error }) => error),
            ['no'],
          )
        }))

      test(`retry_count ${count}: incrementRetry gives the event up`, () =>
        withOutbox(async (outbox, look) => {
          const [event] = await outbox.publish([null])
          await look(`UPDATE outbox_events SET retry_count = ${count}`)
          await event?.refresh()
          await event?.incrementRetry('no')
          assert.deepEqual([event?.status, event?.retryCount], ['failed', Number(count)])
        }))
    }

    test('a generation that is the greatest: an operator can move the event, more than once', () =>
      withOutbox(async (outbox, look) => {
        const [event] = await outbox.publish(['k'])
        const greatest = { postgres: INT_MAX, mariadb: '4294967295', mysql: '4294967295', sqlite: INT_MAX }[name]
        await look(`UPDATE outbox_events SET generation = ${greatest}`)
        const { events } = outbox.broadcaster
        assert.deepEqual((await events.cancel([event?.id ?? ''])).moved, [event?.id])
        assert.notEqual((await event?.refresh())?.generation, Number(greatest))
        assert.deepEqual((await events.requeue([event?.id ?? ''])).moved, [event?.id])
        await outbox.broadcaster.worker().start()
        await outbox.until(() => outbox.heard('event.published').length === 1)
      }))

    test('numbers beyond the columns in a filter are numbers like others', () =>
      withOutbox(async (outbox) => {
        await outbox.publish(['k'])
        const { events } = outbox.broadcaster
        for (const column of ['generation', 'retryCount', 'maxRetries', 'lane', 'seq'] as const) {
          for (const number of [2 ** 31, 2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
            const filter = (value: unknown) => ({ [column]: value }) as RecordFilter
            assert.equal(await events.filter(filter(number)).count(), 0)
            assert.equal(await events.filter(filter({ in: [number, -number] })).count(), 0)
            assert.equal(await events.filter(filter({ lt: number, gt: -number })).count(), 1)
            assert.deepEqual((await events.cancel(filter(number))).moved, [])
          }
        }
        await assert.rejects(async () => events.filter({ generation: 2 ** 60 }).count(), { code: 'INVALID_OPTION' })
      }))
  })
}
