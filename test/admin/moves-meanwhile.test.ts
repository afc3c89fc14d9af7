import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BroadcasterError } from '../../src/index.ts'
import type { AdminMove, AdminStore } from '../../src/store/admin-store.ts'
import type { Store } from '../../src/store/store.ts'
import { answerHolds, own } from '../../src/testing/store/steps.ts'
import { TestOutbox } from '../relay/outbox.ts'
import { STORES } from '../support/stores.ts'

const FAIL: AdminMove = { kind: 'markFailed', error: 'no' }
const SEND: AdminMove = { kind: 'markPublished' }

/** What one operator does to all that match, what another does to one of them in the middle of it, and what stands then. */
const CASES = [
  { made: FAIL, all: 'delete', filter: { status: 'failed' }, one: 'requeue', stands: 'pending' },
  { made: FAIL, all: 'requeue', filter: { status: 'failed' }, one: 'cancel', stands: 'cancelled' },
  { made: FAIL, all: 'cancel', filter: { status: 'failed' }, one: 'requeue', stands: 'pending' },
  { made: SEND, all: 'delete', filter: { status: 'published' }, one: 'replay', stands: 'pending' },
] as const

/** The store, with another admin store in front of its own. */
function withAdmin(store: Store, admin: Partial<AdminStore>): Store {
  return { ...store, admin: { ...store.admin, ...admin } }
}

for (const { name, skip, open } of STORES) {
  describe(`what another did after the list was read: ${name}`, { skip }, () => {
    for (const { made, all, filter, one, stands } of CASES) {
      test(`${one} stands against ${all} by ${JSON.stringify(filter)}`, async (t) => {
        const { store, close } = await open()
        t.after(close)
        let meanwhile: (() => Promise<unknown>) | undefined
        const list: AdminStore['list'] = async (query) => {
          const rows = await store.admin.list(query)
          const [before, what] = [rows.length > 0, meanwhile]
          if (before && what) {
            meanwhile = undefined
            await what()
          }
          return rows
        }
        await using outbox = new TestOutbox({}, withAdmin(store, { list }))
        const { admin } = outbox.broadcaster
        const events = await outbox.publish([null, null, null])
        const ids = events.map(({ id }) => id)
        assert.equal((await store.admin.move(ids, made, [])).moved.length, 3)
        const [chosen = ''] = ids
        meanwhile = async () => assert.deepEqual((await store.admin.move([chosen], { kind: one }, [])).moved, [chosen])
        const { moved, unknown } = await admin[all](filter)
        assert.equal(meanwhile, undefined)
        assert.deepEqual([moved.toSorted(), unknown], [ids.slice(1).toSorted(), []])
        assert.equal((await admin.get(chosen)).status, stands)
      })
    }

    test('what was moved is told, though a later part of the work fails', async (t) => {
      const { store, close } = await open()
      t.after(close)
      const lost = new BroadcasterError('STORE_UNAVAILABLE', 'the connection is lost')
      let isLost = false
      const hold: AdminStore['hold'] = async (ids, duration) => {
        if (isLost) throw lost
        const holds = await store.admin.hold(ids, duration)
        await answerHolds(store, holds)
        return holds
      }
      const lift = async (): Promise<void> => {
        throw lost
      }
      await using outbox = new TestOutbox({}, withAdmin(store, { hold, lift }))
      const { admin } = outbox.broadcaster
      const [sent = '', first = '', second = ''] = (await outbox.publish([null, null, null])).map(({ id }) => id)
      await store.admin.move([sent], SEND, [])
      await own(store, { backend: 'main' })
      assert.deepEqual(await admin.cancel([first]), { moved: [first], tooLate: [], unknown: [] })
      isLost = true
      const told: (readonly string[])[] = []
      await assert.rejects(
        admin.delete([sent, second], { onProgress: (_count, soFar) => told.push([...soFar.moved]) }),
        (error) => error instanceof BroadcasterError && error.code === lost.code && error.message.includes('1 moved'),
      )
      assert.deepEqual(told, [[sent]])
      const [entry] = await admin.audit({ what: 'delete' })
      assert.deepEqual([entry?.outcome, entry?.counts.moved], ['failed', 1])
    })
  })
}
