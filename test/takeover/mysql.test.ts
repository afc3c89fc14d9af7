import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { takeOver } from '../../src/store/mysql/schema/takeover/take-over.ts'
import { tablesOf } from '../../src/store/mysql/tables.ts'
import { clientsOf } from '../store/mysql-place.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { skipWithout } from '../support/servers.ts'
import { hexAndPlain, type MysqlDjango, mysqlDjango, quoted } from './django-database.ts'
import { DJANGO_COLUMNS, djangoRow, isDue, OLD_ROWS } from './django-rows.ts'
import { deliver, takeoverCases } from './takeover-cases.ts'

const hex = (id: string): string => id.replaceAll('-', '')

for (const { name, title } of MYSQL_SERVERS) {
  describe(`a Django table taken over on ${title}`, { skip: skipWithout(name) }, () => {
    const open = (): Promise<MysqlDjango> => mysqlDjango(name)
    const withDatabase = async (work: (database: MysqlDjango) => Promise<void>): Promise<void> => {
      const database = await open()
      try {
        await work(database)
      } finally {
        await database.close()
      }
    }

    takeoverCases(open)

    test('what is changed and deleted meanwhile is changed and deleted afterwards, copied or not', () =>
      withDatabase(async (database) => {
        const { pool, store } = database
        const rows = Array.from({ length: 1_500 }, (_, n) =>
          djangoRow({ created_at: `2024-03-01T08:30:00.${String(n).padStart(6, '0')}Z` }),
        )
        for (let n = 0; n < rows.length; n += 100) await database.insert(...rows.slice(n, n + 100))
        const [changed, deleted] = [rows[0], rows[1]].map((row) => hex(row?.id ?? ''))
        const [changedLate, deletedLate] = [rows[1_400], rows[1_401]].map((row) => hex(row?.id ?? ''))
        const touched: Promise<unknown>[] = []
        const touch = (...ids: readonly (string | undefined)[]): void => {
          const [change, remove] = ids
          touched.push(
            pool.query("UPDATE outbox_events SET status = 'failed', last_error = 'by hand' WHERE id = ?", [change]),
            pool.query('DELETE FROM outbox_events WHERE id = ?', [remove]),
          )
        }
        // The first thousand are copied then, the others are not.
        await store.schema.migrate({
          onProgress: (step) => {
            if (step !== '1000 rows so far') return
            touch(changed, deleted)
            touch(changedLate, deletedLate)
          },
        })
        await Promise.all(touched)
        assert.equal(touched.length, 4)
        const after = await database.rows()
        assert.equal(after.length, 1_498)
        for (const id of [changed, changedLate]) {
          assert.equal(after.find((row) => hex(row.id) === id)?.last_error, 'by hand')
        }
        assert.equal((await deliver(database)).default.length, 1_496)
      }))

    test('a row that is being changed is copied when that is over', () =>
      withDatabase(async (database) => {
        const { pool, store, url } = database
        await database.insert(...OLD_ROWS)
        const id = hex(OLD_ROWS[0]?.id ?? '')
        const diesThere = (step: string): void => {
          if (step === 'copy the old rows') throw new Error('dies')
        }
        await assert.rejects(store.schema.migrate({ onProgress: diesThere }), /dies/)
        const writer = await pool.getConnection()
        await writer.beginTransaction()
        await writer.query("UPDATE outbox_events SET last_error = 'by hand' WHERE id = ?", [id])
        const migrating = store.schema.migrate()
        // It waits for the row; one that did not would soon wait for the table, to swap the two tables.
        const schema = new URL(url).pathname.slice(1)
        for (let waits = false; !waits; ) {
          const [rows] = await pool.query(
            `SELECT 1 FROM information_schema.innodb_trx AS x JOIN information_schema.processlist AS p ON p.id = x.trx_mysql_thread_id
            WHERE p.db = ? AND x.trx_state = 'LOCK WAIT'
            UNION ALL SELECT 1 FROM information_schema.processlist AS p WHERE p.db = ? AND p.state LIKE '%metadata lock%'`,
            [schema, schema],
          )
          waits = (rows as object[]).length > 0
          // InnoDB shows the same picture until it was left alone for 100 ms.
          await setTimeout(150)
        }
        await writer.commit()
        writer.release()
        await migrating
        assert.equal((await database.rows()).find((row) => hex(row.id) === id)?.last_error, 'by hand')
      }))

    test('indexes of Django stay, and nothing of the take-over', () =>
      withDatabase(async ({ pool, store }) => {
        await store.schema.migrate()
        const [indexes] = await pool.query('SHOW INDEX FROM outbox_events')
        const names = new Set((indexes as { readonly Key_name: string }[]).map(({ Key_name }) => Key_name))
        for (const name of ['outbox_events_status_86c5cced', 'outbox_even_status_83a3ef_idx'])
          assert.ok(names.has(name))
        const [tables] = await pool.query('SHOW TABLES')
        assert.deepEqual((tables as object[]).flatMap((row) => Object.values(row)).toSorted(), [
          'outbox_audit',
          'outbox_breakers',
          'outbox_destinations',
          'outbox_duties',
          'outbox_events',
          'outbox_flow',
          'outbox_inbox',
          'outbox_lanes',
          'outbox_migrations',
          'outbox_operations',
          'outbox_outages',
          'outbox_rates',
          'outbox_settings',
          'outbox_undo',
          'outbox_workers',
        ])
        const [triggers] = await pool.query('SHOW TRIGGERS')
        assert.deepEqual(triggers, [])
        const extra = (await store.schema.inspect?.())?.extraIndexes.map(({ name, drop }) => [name, drop])
        assert.equal(extra?.length, 6)
        assert.deepEqual(extra[0], [
          'outbox_even_event_t_fc32b0_idx',
          'DROP INDEX `outbox_even_event_t_fc32b0_idx` ON `outbox_events`',
        ])
      }))

    test('JSON is text afterwards, which stays as it is written, and queries by key find what they look for', () =>
      withDatabase(async (database) => {
        const { pool, store } = database
        await database.insert(...OLD_ROWS)
        await store.schema.migrate()
        const [columns] = await pool.query(
          "SHOW COLUMNS FROM outbox_events WHERE Field IN ('data', 'publisher_config')",
        )
        assert.deepEqual(
          (columns as { readonly Type: string }[]).map(({ Type }) => Type),
          ['longtext', 'longtext'],
        )
        const row = djangoRow({ data: '{"later": 1,  "and": 2.50}' })
        await database.insert(row)
        assert.equal((await database.rows()).find(({ id }) => id === row.id)?.data, row.data)
        // As Django asks for `data__stuck=1` and `data__later=1`.
        for (const key of ['stuck', 'later']) {
          const [found] = await pool.query(
            `SELECT id FROM outbox_events WHERE JSON_EXTRACT(data, '$."${key}"') = JSON_EXTRACT('1', '$')`,
          )
          assert.equal((found as unknown[]).length, 1, key)
        }
      }))

    test('a long transaction holds up the triggers of the take-over, and nobody else', () =>
      withDatabase(async (database) => {
        const { pool, store } = database
        await database.insert(...OLD_ROWS)
        const reader = await pool.getConnection()
        await reader.query('START TRANSACTION')
        // In every index: whoever counts with locks waits for it.
        const held = djangoRow()
        const values = DJANGO_COLUMNS.map((name) => hexAndPlain(name, held[name]))
        const columns = quoted('`')
        await reader.query(`INSERT INTO outbox_events (${columns}) VALUES (?)`, [values])
        const t = tablesOf('outbox_events', undefined)
        const client = clientsOf(pool).migration
        const steps: string[] = []
        const onProgress = (step: string): number => steps.push(step)
        const options = { lockWait: 1_000, lockPause: 10, patience: 1_500, onProgress }
        await assert.rejects(
          client.session((session) => takeOver(session, t, 8, async () => {}, options)),
          { code: 'STORE_BUSY' },
        )
        assert.deepEqual(steps, ['make the tables beside it', 'let triggers write into our table too'])
        const row = djangoRow()
        await database.insert(row)
        const migrating = store.schema.migrate()
        for (let blocked = false; !blocked; ) {
          const [processes] = await pool.query('SHOW PROCESSLIST')
          blocked = (processes as { readonly State: string }[]).some(({ State }) => /metadata lock/.test(State))
        }
        await database.insert(djangoRow())
        assert.equal((await store.schema.status()).foreign, true, 'the insert was faster than the take-over')
        await reader.query('COMMIT')
        reader.release()
        await migrating
        const arrived = await deliver(database)
        assert.equal(arrived.default.length + arrived.partners.length, OLD_ROWS.filter(isDue).length + 3)
      }))

    test('what Django could not have made, or the copy would lose, is refused', () =>
      withDatabase(async (database) => {
        const wrong: readonly (readonly [string, string, string])[] = [
          ['MODIFY id char(36) NOT NULL', 'MODIFY id char(32) NOT NULL', 'id'],
          ['MODIFY subject varchar(255) NULL', 'MODIFY subject varchar(255) NOT NULL', 'subject'],
          ['ADD COLUMN tenant int NOT NULL DEFAULT 0', 'DROP COLUMN tenant', 'tenant'],
          ['MODIFY source varchar(100) NOT NULL', 'MODIFY source varchar(255) NOT NULL', 'source'],
          ['DROP PRIMARY KEY', 'ADD PRIMARY KEY (id)', 'id'],
          ['CHANGE last_error error longtext NOT NULL', 'CHANGE error last_error longtext NOT NULL', 'last_error'],
        ]
        const { pool, store } = database
        for (const [spoil, mend, field] of wrong) {
          await pool.query(`ALTER TABLE outbox_events ${spoil}`)
          await assert.rejects(store.schema.migrate(), { code: 'TAKEOVER_REFUSED', field }, spoil)
          await pool.query(`ALTER TABLE outbox_events ${mend}`)
        }
        await pool.query('CREATE TRIGGER theirs AFTER INSERT ON outbox_events FOR EACH ROW SET @seen = 1')
        await assert.rejects(store.schema.migrate(), { code: 'TAKEOVER_REFUSED', value: 'theirs' })
        await pool.query('DROP TRIGGER theirs')
        await pool.query('CREATE TABLE receipts (event char(32), FOREIGN KEY (event) REFERENCES outbox_events (id))')
        await assert.rejects(store.schema.migrate(), { code: 'TAKEOVER_REFUSED', value: 'receipts' })
        await pool.query('DROP TABLE receipts')
        assert.throws(() => store.schema.print({ takeOver: true }), { code: 'INVALID_OPTION' })
        await store.schema.migrate()
      }))
  })
}

// MySQL has no such type.
describe('a Django 5 table with ids of the type uuid, taken over on MariaDB', { skip: skipWithout('mariadb') }, () => {
  const openUuid = (): Promise<MysqlDjango> => mysqlDjango('mariadb', 'uuid')
  takeoverCases(openUuid)

  test('the ids stay what they are, and those of rows by others are UUIDs in the order of time', async () => {
    const database = await openUuid()
    try {
      const { pool, store } = database
      await database.insert(...OLD_ROWS)
      await store.schema.migrate()
      const [[column]] = (await pool.query("SHOW COLUMNS FROM outbox_events LIKE 'id'")) as unknown as [
        [{ Type: string }],
      ]
      assert.equal(column.Type, 'uuid')
      await pool.query("CALL outbox_publish('order.created', '/orders', NULL, NULL)")
      const [[found]] = (await pool.query('SELECT @outbox_published AS id')) as unknown as [[{ id: string }]]
      assert.match(found.id, /^[0-9a-f]{12}7[0-9a-f]{19}$/)
    } finally {
      await database.close()
    }
  })
})
