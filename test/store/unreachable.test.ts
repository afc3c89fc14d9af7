import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { insert, keyHashOf, newEvent, read } from '../../src/testing/store/steps.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'

for (const { name, server, open } of PLACED_STORES) {
  test(`rows that no worker sees are found, and the SQL that mends them does: ${name}`, {
    skip: server ? skipWithout(server) : false,
  }, async () => {
    const { store, look, close } = await open()
    try {
      await store.schema.migrate({ lanes: 8 })
      const inspect = async () => (await store.schema.inspect?.())?.unreachable ?? []
      const rows = await insert(
        store,
        ...['a', 'b', 'c', 'd', 'e'].map((partitionKey) => newEvent({ partitionKey })),
        newEvent({ delay: 3_600_000 }),
        newEvent({ partitionKey: randomUUID() }),
      )
      // The control: of what is right nothing is said.
      assert.deepEqual(await inspect(), [])
      const at = (n: number): string => {
        const id = rows[n]?.id ?? ''
        return `WHERE id = '${name === 'postgres' ? id : id.replaceAll('-', '')}'`
      }
      await look(`UPDATE outbox_events SET status = 'PENDING' ${at(0)}`)
      await look(`UPDATE outbox_events SET status = 'it''s new' ${at(1)}`)
      await look(`UPDATE outbox_events SET lane = 8 ${at(2)}`)
      await look(`UPDATE outbox_events SET lane = -1 ${at(3)}`)
      await look(`UPDATE outbox_events SET lane = 900 ${at(5)}`)
      const found = await inspect()
      const told = found.map(({ what, status, found: count }) => [what, status, count])
      assert.deepEqual(told, [
        ['status', 'PENDING', 1],
        ['status', "it's new", 1],
        ['lane', undefined, 3],
      ])
      for (const { mend } of found)
        await look(name === 'postgres' ? mend.replaceAll('"', '').replace(/place_\w+\.outbox_/, 'outbox_') : mend)
      assert.deepEqual(await inspect(), [])
      for (const row of rows) {
        const { status, lane, partitionKey } = await read(store, row.id)
        assert.equal(status, 'pending')
        assert.ok(lane !== null && lane >= 0 && lane < 8)
        // On SQLite it is one lane for the key, and not always that of its hash.
        if (partitionKey !== null && name !== 'sqlite') assert.equal(lane, keyHashOf(partitionKey) % 8)
      }
    } finally {
      await store.close()
      await close()
    }
  })
}
