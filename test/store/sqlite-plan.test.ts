import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { list } from '../../src/store/sqlite/admin.ts'
import { Connection } from '../../src/store/sqlite/connection.ts'
import { fetch, fetchData, lastSeq, waitingNames } from '../../src/store/sqlite/fetch.ts'
import { reconcile } from '../../src/store/sqlite/reconcile.ts'
import { settle } from '../../src/store/sqlite/settle.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { tablesOf } from '../../src/store/sqlite/tables.ts'
import { unpark } from '../../src/store/sqlite/unpark.ts'
import { insert, NAMES, newEvent } from '../../src/testing/store/steps.ts'

/** Collects the plans of all statements that run on it. */
class Explaining extends Connection {
  readonly plans: string[] = []

  override cached(sql: string): ReturnType<Connection['cached']> {
    const values = [...sql.matchAll(/\?\d?/g)].map(() => null)
    const named = /\?1/.test(sql)
    const plan = this.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...(named ? [] : values))
    this.plans.push(...plan.map((row) => String(row['detail'])))
    return super.cached(sql)
  }
}

test('plans: hot statements search their index, with fresh, stale and no statistics', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-plan-'))
  const path = join(folder, 'plan.db')
  const store = sqlite({ path })
  const database = new DatabaseSync(path)
  const t = tablesOf('outbox_events')
  const plansOf = (work: (db: Connection) => void): string => {
    const db = new Explaining(database)
    work(db)
    return db.plans.join('\n')
  }
  const check = (): void => {
    const ownership = { workerId: 'w', backend: 'default', fences: new Map([[0, 1]]) }
    const fetched = plansOf((db) => fetch(t)(db, NAMES, [{ lane: 0, after: 0, limit: 10 }]))
    assert.match(fetched, /USING (COVERING )?INDEX outbox_events_hot \(publisher_backend=\? AND lane=\? AND seq>\?\)/)
    const had = plansOf((db) => fetchData(t)(db, [{ id: newEvent().id, withheld: 1 }], 10))
    assert.match(had, /SEARCH outbox_events USING INDEX \S+ \(id=\?\)/)
    const looked = plansOf((db) => unpark(t).look(db, NAMES, [0]))
    assert.match(looked, /INDEX outbox_events_parked \(publisher_backend=\? AND lane=\? AND available_at>\?/)
    const settled = plansOf((db) =>
      settle(t)(db, ownership, [{ kind: 'published', generation: 0, id: newEvent().id, lane: 0 }]),
    )
    assert.match(settled, /SEARCH e USING INDEX \S+ \(id=\?\)/)
    const reconciled = plansOf((db) => reconcile(t)(db, NAMES, [0]))
    assert.match(reconciled, /INDEX outbox_events_parked \(publisher_backend=\? AND lane=\? AND available_at=\?\)/)
    assert.match(reconciled, /INDEX outbox_events_troubled \(publisher_backend=\? AND lane=\?\)/)
    const named = plansOf((db) => void waitingNames(t)(db, 10))
    const last = plansOf((db) => void lastSeq(t)(db, NAMES, 0))
    assert.match(last, /USING (COVERING )?INDEX outbox_events_hot \(publisher_backend=\? AND lane=\?\)/)
    for (const index of ['hot', 'parked']) {
      assert.match(
        named,
        new RegExp(`SEARCH outbox_events USING (COVERING )?INDEX outbox_events_${index} \\(publisher_backend>\\?\\)`),
      )
    }
    const query = { order: [{ column: 'id', descending: true }], limit: 50, offset: 0, columns: ['id'] } as const
    for (const [status, index] of [
      ['pending', 'hot'],
      ['pending', 'parked'],
      ['failed', 'troubled'],
    ] as const) {
      const where = [{ column: 'status', op: 'eq', value: status }] as const
      const listed = plansOf((db) => void list(t)(db, { ...query, where }))
      assert.match(listed, new RegExp(`SCAN outbox_events USING (COVERING )?INDEX outbox_events_${index}`))
      assert.doesNotMatch(listed, /SCAN outbox_events(?! USING (COVERING )?INDEX outbox_events_(hot|parked|troubled))/)
    }
    for (const plans of [fetched, had, looked, settled, reconciled, named, last]) {
      assert.doesNotMatch(plans, /SCAN (e|outbox_events)\b/)
    }
    for (const plans of [fetched, looked, named, last]) assert.doesNotMatch(plans, /TEMP B-TREE/)
  }
  try {
    await store.schema.migrate()
    check()
    database.exec('ANALYZE')
    check()
    // Statistics of an empty table, of a table full of parked events, and of one full of due ones.
    await insert(store, ...Array.from({ length: 2000 }, () => newEvent({ delay: 3_600_000 })))
    check()
    database.exec('ANALYZE')
    check()
    await insert(store, ...Array.from({ length: 2000 }, () => newEvent({ partitionKey: 'one' })))
    check()
    database.exec('ANALYZE')
    check()
  } finally {
    database.close()
    await store.close()
    rmSync(folder, { recursive: true })
  }
})
