import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lookThoroughly } from '../../src/admin/thorough-look.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { retentionOf } from '../../src/relay/worker-options.ts'
import { requireServer } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'

const DAY = 86_400_000

for (const { name, server, open } of PLACED_STORES) {
  describe(`a thorough look: ${name}`, () => {
    test('sees what retention should have deleted, by the rule of its type, and nothing younger', async (t) => {
      if (server !== undefined && !requireServer(t, server)) return
      const placed = await open()
      t.after(() => placed.close())
      await placed.store.schema.migrate()
      const broadcaster = new Broadcaster({
        store: placed.store,
        backends: { default: memoryBackend() },
        logger: false,
      })
      for (const type of ['order.placed', 'audit.read']) await broadcaster.events.create({ type, source: '/s' })
      assert.equal(await broadcaster.processPendingEvents(), 2)
      const old = name === 'sqlite' ? "'2020-01-01T00:00:00.000Z'" : "'2020-01-01 00:00:00'"
      await placed.look(
        `UPDATE outbox_events SET published_at = ${old}, updated_at = ${old} WHERE event_type = 'audit.read'`,
      )
      const overdue = async (published: number | null, audit: number | null) => {
        const retention = retentionOf({ retention: { published, types: { 'audit.*': { published: audit } } } })
        return (await lookThoroughly(placed.store, retention, { maxInbox: 2 ** 30, compareSchema: false })).overdue
      }
      const found = await overdue(7 * DAY, 30 * DAY)
      assert.equal(found?.status, 'published')
      assert.equal(found?.kept, 30 * DAY)
      assert.ok(found.age > 365 * DAY, String(found.age))
      assert.equal(await overdue(7 * DAY, null), undefined)
      assert.equal(await overdue(0, null), undefined, 'a clean-up may be an hour late')
      assert.equal(
        (await lookThoroughly(placed.store, false, { maxInbox: 2 ** 30, compareSchema: false })).overdue,
        undefined,
      )
      const { findings } = await broadcaster.status({ thorough: true })
      assert.equal(findings.filter(({ code }) => code === 'retention-behind').length, 1)
      assert.ok(!(await broadcaster.status()).findings.some(({ code }) => code === 'retention-behind'))
      await broadcaster.close()
    })
  })
}
