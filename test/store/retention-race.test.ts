import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../src/store/store.ts'
import { BACKEND, deleteNow, insert, newEvent, own, read, until } from '../../src/testing/store/steps.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { connectTo, type Other } from './other-connection.ts'

const AGAIN = `SET status = 'pending', available_at = NULL, generation = generation + 1`
const EVERYTHING = { publishedFor: 0, failedFor: 0, limit: 1_000 } as const

for (const kind of PLACED_STORES.filter(({ name }) => name !== 'sqlite')) {
  describe(`retention beside others on ${kind.name}`, { skip: kind.server ? skipWithout(kind.server) : false }, () => {
    async function withOther(work: (store: Store, other: Other, ids: readonly string[]) => Promise<void>) {
      const { store, place, close } = await kind.open()
      await store.schema.migrate({ lanes: 4 })
      const other = await connectTo(place)
      try {
        const { ownership } = await own(store)
        const rows = await insert(store, ...Array.from({ length: 6 }, () => newEvent({ partitionKey: 'k' })))
        await store.relay.settle(
          ownership,
          rows.map(({ id, lane }, n) =>
            n % 2 === 0
              ? { kind: 'published', generation: 0, id, lane }
              : { kind: 'failed', generation: 0, id, lane, retryCount: 1, blocks: true, error: 'no' },
          ),
        )
        await until('time has passed', async () => {
          const [{ id, createdAt } = { id: '', createdAt: new Date(0) }] = await insert(store, newEvent())
          await deleteNow(store, id)
          return createdAt > (await read(store, rows[0]?.id ?? '')).updatedAt
        })
        await work(
          store,
          other,
          rows.map(({ id }) => id),
        )
      } finally {
        await other.end()
        await store.close()
        await close()
      }
    }

    test('what an operator is just requeueing or replaying is not deleted, and the rest is, without a wait', () =>
      withOther(async (store, other, ids) => {
        await other.run('BEGIN')
        const stored = (id: string): string => (kind.name === 'postgres' ? id : id.replaceAll('-', ''))
        // One by one: by the primary key, so that no other row is locked.
        for (const id of ids.slice(0, 4)) await other.run(`UPDATE outbox_events ${AGAIN} WHERE id = '${stored(id)}'`)
        const purging = store.relay.purge(EVERYTHING)
        const first = await Promise.race([purging, pause(1_500).then(() => 'waits' as const)])
        await other.run('COMMIT')
        await purging
        const left = await store.admin.list({
          where: [{ column: 'publisherBackend', op: 'eq', value: BACKEND }],
          order: [{ column: 'seq', descending: false }],
          limit: null,
          offset: 0,
          columns: ['id', 'status'],
        })
        assert.deepEqual(
          left,
          ids.slice(0, 4).map((id) => ({ id, status: 'pending' })),
        )
        assert.equal(first, 2, 'a row that somebody holds delays that row alone')
      }))
  })
}
