import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { uuidV7 } from '../../src/event/uuid.ts'
import { Inbox } from '../../src/inbox/inbox.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { insert, moveNow, newEvent, own, purgeNow } from '../../src/testing/store/steps.ts'
import { servers } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** The instant so many seconds before now, by the database's clock and as its columns hold it. */
const AGO: Readonly<Record<string, (seconds: number) => string>> = {
  postgres: (seconds) => `now() - interval '${seconds} seconds'`,
  mariadb: (seconds) => `UTC_TIMESTAMP(6) - INTERVAL ${seconds} SECOND`,
  mysql: (seconds) => `UTC_TIMESTAMP(6) - INTERVAL ${seconds} SECOND`,
  sqlite: (seconds) => `strftime('%Y-%m-%d %H:%M:%f000', 'now', '-${seconds} seconds')`,
}

/** A UUID v7 of an instant; `uuidV7` never goes back. */
function idOf(instant: number): string {
  const time = instant.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}${uuidV7().slice(13)}`
}

/** What stands in the outbox, by type. */
async function typesIn(store: Store): Promise<readonly unknown[]> {
  const rows = await store.admin.list({ where: [], order: [], limit: null, offset: 0, columns: ['eventType'] })
  return rows.map(({ eventType }) => eventType).toSorted()
}

/** Events that were published, cancelled and failed so many minutes ago, each named so; `age` makes them that old. */
async function fill(
  store: Store,
  minutes: readonly number[],
  age: (minutes: number, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const { ownership } = await own(store)
  for (const ago of minutes) {
    await age(ago, async () => {
      const events = ['published', 'cancelled', 'failed'].map((kind) =>
        newEvent({ id: idOf(Date.now() - ago * MINUTE), eventType: `${kind} ${ago}` }),
      )
      const rows = await insert(store, ...events)
      const at = (n: number) => ({ id: rows[n]?.id ?? '', lane: rows[n]?.lane ?? -1, generation: 0 })
      await store.relay.settle(ownership, [
        { kind: 'published', ...at(0) },
        { kind: 'failed', ...at(2), retryCount: 1, blocks: false, error: 'no' },
      ])
      await moveNow(store, [at(1).id], { kind: 'cancel' })
      const inbox = new Inbox({ store })
      const handled = { source: '/x', id: `handled ${ago}` }
      await store.transaction((tx) => inbox.once(tx, 'billing', handled, () => undefined))
    })
  }
}

/** Rows on both sides of each limit, which are apart by more and by less than a factor of 1,000. */
const MINUTES = [60 * 24 * 40, 121, 119, 61, 59, 0]

async function check(store: Store): Promise<void> {
  const purge = async (publishedFor: number | null, failedFor: number | null): Promise<number> => {
    return purgeNow(store, { published: publishedFor, failed: failedFor, cancelled: failedFor })
  }
  const month = 30 * 24 * HOUR
  assert.equal(await purge(month, month), 3, 'of 40 days')
  assert.equal(await purge(HOUR, 2 * HOUR), 3 + 2, 'published for an hour, the others for two')
  const left = MINUTES.flatMap((ago) => [
    ...(ago < 60 ? [`published ${ago}`] : []),
    ...(ago < 120 ? [`cancelled ${ago}`, `failed ${ago}`] : []),
  ])
  assert.deepEqual(await typesIn(store), left.toSorted())
  assert.equal(await store.inbox.prune({ age: month, limit: 100 }), 1)
  assert.equal(await store.inbox.prune({ age: HOUR, limit: 100 }), 3)
  assert.equal(await store.inbox.prune({ age: HOUR, limit: 100 }), 0)
}

describe('retention: what is just old enough goes, what is not quite stays', () => {
  test('memory', async () => {
    const now = Date.now()
    let back = 0
    const store = memoryStore({ now: () => now - back }) as Store
    await fill(store, MINUTES, async (ago, work) => {
      back = ago * MINUTE
      await work()
    })
    back = 0
    await check(store)
    await store.close()
  })

  for (const { name, server, open } of PLACED_STORES) {
    const skip = server !== undefined && !servers[server]() ? `no ${server}` : false
    test(name, { skip }, async () => {
      const { store, look, close } = await open()
      try {
        await store.schema.migrate()
        await fill(store, MINUTES, async (ago, work) => {
          await work()
          const then = AGO[name]?.(ago * 60) ?? ''
          const set = (columns: readonly string[]) => columns.map((column) => `${column} = ${then}`).join(', ')
          const own = `event_type LIKE '% ${ago}'`
          await look(`UPDATE outbox_events SET ${set(['created_at', 'updated_at'])} WHERE ${own}`)
          await look(`UPDATE outbox_events SET published_at = ${then} WHERE status = 'published' AND ${own}`)
          await look(`UPDATE outbox_inbox SET handled_at = ${then} WHERE event_id = 'handled ${ago}'`)
        })
        await check(store)
      } finally {
        await close()
      }
    })
  }
})
