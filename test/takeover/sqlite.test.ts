import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type SqliteDjango, sqliteDjango } from './django-database.ts'
import { isDue, OLD_ROWS } from './django-rows.ts'
import { deliver, takeoverCases } from './takeover-cases.ts'

async function withDatabase(work: (database: SqliteDjango) => Promise<void>): Promise<void> {
  const database = await sqliteDjango()
  try {
    await work(database)
  } finally {
    await database.close()
  }
}

describe('a Django table taken over on SQLite', () => {
  takeoverCases(sqliteDjango)

  test('indexes, triggers and views of the table stay', () =>
    withDatabase(async (database) => {
      const { django, store } = database
      await database.insert(...OLD_ROWS)
      django.exec(`CREATE TABLE audit (n integer);
        CREATE TRIGGER counted AFTER INSERT ON outbox_events BEGIN INSERT INTO audit VALUES (1); END;
        CREATE VIEW waiting AS SELECT id FROM outbox_events WHERE status = 'pending'`)
      const names = (): unknown =>
        django
          .prepare(
            "SELECT name FROM sqlite_schema WHERE tbl_name = 'outbox_events' AND sql IS NOT NULL AND name NOT LIKE '%_hot' ORDER BY 1",
          )
          .all()
      const before = names() as readonly { readonly name: string }[]
      await store.schema.migrate()
      const after = (names() as readonly { readonly name: string }[]).map(({ name }) => name)
      for (const { name } of before) assert.ok(after.includes(name), name)
      assert.equal(django.prepare('SELECT count(*) AS n FROM audit').get()?.['n'], 0, 'the copy is no insert')
      assert.equal(
        django.prepare('SELECT count(*) AS n FROM waiting').get()?.['n'],
        OLD_ROWS.filter(({ status }) => status === 'pending').length,
      )
      await database.insert({ ...(OLD_ROWS[0] ?? assert.fail()), id: '11111111-1111-4111-8111-111111111111' })
      assert.equal(django.prepare('SELECT count(*) AS n FROM audit').get()?.['n'], 1)
      assert.equal(django.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok')
    }))

  test('the printed script does the same', () =>
    withDatabase(async (database) => {
      const { django, store } = database
      await database.insert(...OLD_ROWS)
      django.exec(store.schema.print({ takeOver: true, lanes: 8 }))
      assert.equal((await store.schema.check()).lanes, 8)
      const arrived = await deliver(database)
      assert.equal(arrived.default.length + arrived.partners.length, OLD_ROWS.filter(isDue).length)
    }))

  test('what the copy would lose, or could not do, is refused', () =>
    withDatabase(async (database) => {
      const { django, store } = database
      django.exec('CREATE TABLE receipts (event char(32) REFERENCES outbox_events (id))')
      await assert.rejects(store.schema.migrate(), { code: 'TAKEOVER_REFUSED', value: 'receipts' })
      django.exec('DROP TABLE receipts; ALTER TABLE outbox_events ADD COLUMN tenant integer')
      await assert.rejects(store.schema.migrate(), { code: 'TAKEOVER_REFUSED', field: 'tenant' })
      django.exec('ALTER TABLE outbox_events DROP COLUMN tenant; ALTER TABLE outbox_events RENAME subject TO topic')
      await assert.rejects(store.schema.migrate(), { code: 'TAKEOVER_REFUSED', field: 'subject' })
      django.exec('ALTER TABLE outbox_events RENAME topic TO subject')
      await store.schema.migrate()
    }))
})
