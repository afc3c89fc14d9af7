import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { insertOne } from '../../src/testing/store/steps.ts'

/** What somebody dropped of an outbox in a SQLite file, `migrate` makes again; what is left is kept. */

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-mend-'))
after(() => rmSync(folder, { recursive: true }))

const LANES = 24
let files = 0

async function withOutbox(work: (store: Store, db: DatabaseSync) => Promise<void>): Promise<void> {
  const path = join(folder, `${++files}.db`)
  const store = sqlite({ path }) as Store
  await store.schema.migrate({ lanes: LANES })
  await insertOne(store)
  const db = new DatabaseSync(path)
  try {
    await work(store, db)
  } finally {
    db.close()
    await store.close()
  }
}

interface Named {
  readonly type: string
  readonly name: string
  readonly sql: string
}

function objectsOf(db: DatabaseSync): readonly Named[] {
  return db
    .prepare(
      "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence' ORDER BY type, name",
    )
    .all() as unknown as readonly Named[]
}

test('each object, dropped alone, is made again as it was, and the events are kept', () =>
  withOutbox(async (store, db) => {
    const whole = objectsOf(db)
    assert.ok(whole.length >= 14, whole.map(({ name }) => name).join(', '))
    for (const { type, name } of whole) {
      db.exec(`DROP ${type} "${name}"`)
      const { mended = [], lanes, pending } = await store.schema.migrate({ lanes: 7 })
      assert.ok(mended.includes(`the ${type} ${name}`), `${name}: ${mended.join(', ')}`)
      assert.deepEqual(objectsOf(db), whole, name)
      assert.deepEqual([lanes, pending.length], [LANES, 0], name)
      await store.schema.check()
      if (name === 'outbox_events') await insertOne(store)
      else assert.equal(await store.admin.count([]), 1, name)
    }
  }))

test('columns that were dropped are made again', () =>
  withOutbox(async (store, db) => {
    db.exec('ALTER TABLE outbox_lanes DROP COLUMN quiet_for; ALTER TABLE outbox_breakers DROP COLUMN pause_reason')
    const { mended = [] } = await store.schema.migrate()
    assert.deepEqual(mended.toSorted(), [
      'the column outbox_breakers.pause_reason',
      'the column outbox_lanes.quiet_for',
    ])
    assert.equal((await store.schema.migrate()).mended, undefined, 'they are there')
  }))

test('the tables that tell of the schema dropped, and the events kept', () =>
  withOutbox(async (store, db) => {
    const whole = objectsOf(db)
    db.exec('DROP TABLE outbox_migrations; DROP TABLE outbox_settings')
    await assert.rejects(store.schema.check(), { code: 'SCHEMA_OUTDATED', message: /were dropped; run/ })
    await store.schema.migrate()
    assert.deepEqual(objectsOf(db), whole)
    assert.deepEqual([(await store.schema.check()).lanes, await store.admin.count([])], [LANES, 1])
  }))

test('all but a view dropped; and a whole one is left as it is', () =>
  withOutbox(async (store, db) => {
    const whole = objectsOf(db)
    assert.equal((await store.schema.migrate()).mended, undefined)
    for (const { type, name } of whole) if (type === 'table') db.exec(`DROP TABLE "${name}"`)
    await store.schema.migrate({ lanes: LANES })
    assert.deepEqual(objectsOf(db), whole)
    assert.equal((await store.schema.check()).lanes, LANES)
  }))
