import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Pool, RowDataPacket } from 'mysql2/promise'
import { mysql } from '../../src/store/mysql/mysql.ts'
import type { Store } from '../../src/store/store.ts'
import { insertOne } from '../../src/testing/store/steps.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace } from './mysql-place.ts'

/** What somebody dropped, `migrate` makes again; what is left is kept. */

const LANES = 24

async function rows(pool: Pool, text: string): Promise<readonly RowDataPacket[]> {
  return (await pool.query<RowDataPacket[]>(text))[0]
}

/** The whole schema as the server tells it; keys in the order of their names, since a new one comes last. */
async function dumpOf(pool: Pool): Promise<string> {
  const tables = await rows(
    pool,
    'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1',
  )
  const texts: string[] = []
  for (const { name } of tables) {
    const [row] = await rows(pool, `SHOW CREATE TABLE ${name}`)
    const lines = String(row?.['Create Table'])
      .replace(/ AUTO_INCREMENT=\d+/, '')
      .replaceAll(/,$/gm, '')
      .split('\n')
    texts.push(lines.toSorted().join('\n'))
  }
  const routines = await rows(
    pool,
    'SELECT routine_name AS name, MD5(routine_definition) AS text FROM information_schema.routines WHERE routine_schema = DATABASE()',
  )
  return `${texts.join('\n\n')}\n${JSON.stringify(routines)}`
}

/** Every object, as the rest of a statement that drops it. */
async function objectsOf(pool: Pool): Promise<readonly string[]> {
  const found = await rows(
    pool,
    `
SELECT CONCAT('TABLE ', table_name) AS what FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type <> 'VIEW'
UNION ALL SELECT CONCAT('VIEW ', table_name) FROM information_schema.views WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT('TRIGGER ', trigger_name) FROM information_schema.triggers WHERE trigger_schema = DATABASE()
UNION ALL SELECT CONCAT(routine_type, ' ', routine_name) FROM information_schema.routines WHERE routine_schema = DATABASE()
UNION ALL SELECT CONCAT('INDEX ', index_name, ' ON ', table_name) FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND seq_in_index = 1 AND index_name <> 'PRIMARY'`,
  )
  return found.map(({ what }) => String(what))
}

for (const { name, title } of MYSQL_SERVERS) {
  describe(`a half-dropped outbox on ${title}`, { skip: skipWithout(name) }, () => {
    const withOutbox = async (work: (store: Store, pool: Pool, whole: string) => Promise<void>): Promise<void> => {
      const { pool, close } = await openPlace(servers[name]()?.url ?? '')
      try {
        const store = mysql({ pool }) as Store
        await store.schema.migrate({ lanes: LANES })
        await insertOne(store)
        await work(store, pool, await dumpOf(pool))
      } finally {
        await close()
      }
    }

    test('each object, dropped alone, is made again as it was, and the events are kept', () =>
      withOutbox(async (store, pool, whole) => {
        const objects = await objectsOf(pool)
        assert.ok(objects.length >= 11, objects.join('\n'))
        for (const what of objects) {
          // An AUTO_INCREMENT column must have a key: the server does not let this one go.
          if (what.includes('_seq ')) {
            await assert.rejects(pool.query(`DROP ${what}`), { errno: 1075 })
            continue
          }
          await pool.query(`DROP ${what}`)
          const { mended = [], lanes, pending } = await store.schema.migrate({ lanes: 7 })
          assert.ok(mended.length > 0 || what === 'TABLE outbox_migrations', what)
          assert.equal(await dumpOf(pool), whole, what)
          assert.deepEqual([lanes, pending.length], [LANES, 0], what)
          await store.schema.check()
          if (what === 'TABLE outbox_events') await insertOne(store)
          else assert.equal(await store.admin.count([]), 1, what)
        }
      }))

    test('the tables that tell of the schema dropped, and the events kept', () =>
      withOutbox(async (store, pool, whole) => {
        await pool.query('DROP TABLE outbox_migrations, outbox_settings')
        await assert.rejects(store.schema.check(), { code: 'SCHEMA_MISSING', message: /migrate/ })
        await store.schema.migrate()
        assert.equal(await dumpOf(pool), whole)
        assert.deepEqual([(await store.schema.check()).lanes, await store.admin.count([])], [LANES, 1])
      }))

    test('all tables dropped, as by a tool that does not know them; and a whole one is left as it is', () =>
      withOutbox(async (store, pool, whole) => {
        assert.equal((await store.schema.migrate()).mended, undefined)
        for (const what of await objectsOf(pool)) if (what.startsWith('TABLE')) await pool.query(`DROP ${what}`)
        await store.schema.migrate({ lanes: LANES })
        assert.equal(await dumpOf(pool), whole)
      }))
  })
}
