import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { insertOne, NAMES, own } from '../../src/testing/store/steps.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES, type PlacedStore } from '../support/store-places.ts'
import { connectTo } from './other-connection.ts'

/** Until so many statements on this outbox wait for a lock. */
async function untilSomeWait({ place, look }: PlacedStore, count: number, isOver = () => false): Promise<void> {
  const waiting =
    place.kind === 'postgres'
      ? `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%${place.schema}%'`
      : `SELECT x.trx_id FROM information_schema.innodb_trx AS x
JOIN information_schema.processlist AS p ON p.id = x.trx_mysql_thread_id
WHERE p.db = DATABASE() AND x.trx_state = 'LOCK WAIT'`
  // InnoDB shows the same picture until it was left alone for 100 ms.
  while (!isOver() && (await look(waiting)).length < count) await pause(place.kind === 'postgres' ? 10 : 150)
}

for (const kind of PLACED_STORES.filter(({ name }) => name !== 'sqlite')) {
  const skip = kind.server ? skipWithout(kind.server) : false
  test(`the first worker of a backend waits for an operator's move on ${kind.name}`, {
    skip,
    timeout: 30_000,
  }, async () => {
    const placed = await kind.open()
    const { store, place } = placed
    await store.schema.migrate({ lanes: 4 })
    const other = await connectTo(place)
    try {
      const { id } = await insertOne(store, { partitionKey: 'k' })
      await other.run('BEGIN')
      const stored = kind.name === 'postgres' ? id : id.replaceAll('-', '')
      await other.run(`SELECT id FROM outbox_events WHERE id = '${stored}' FOR UPDATE`)
      const moving = store.admin.move([id], { kind: 'cancel' }, [])
      await untilSomeWait(placed, 1)
      let isRead = false
      const reading = own(store).then(async ({ lanes }) => {
        const some = lanes.map(({ lane }) => ({ lane, after: 0, limit: 10 }))
        const rows = await store.relay.fetch(NAMES, some)
        isRead = true
        return rows
      })
      await untilSomeWait(placed, 2, () => isRead)
      await other.run('COMMIT')
      assert.deepEqual(await moving, { moved: [id], busy: [] })
      assert.deepEqual(await reading, [], 'what was cancelled is not in its hands')
    } finally {
      await other.end()
      await store.close()
      await placed.close()
    }
  })
}
