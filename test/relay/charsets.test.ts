import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { createPool } from 'mysql2/promise'
import { Pool } from 'pg'
import { notDelivered } from '../../src/backend/backend.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { openPlace } from '../store/mysql-place.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { TestOutbox } from './outbox.ts'

/** In Shift JIS, Big5 or GBK the second byte of each of the middle three is a backslash. */
const TEXTS = ['日本', '表ソ能', '功許', '誠', '🛑', 'é', `it's \\ "so" ~`, "表\\ソ'"]

/** Each text in all that an event has of text. */
function eventsOf(texts: readonly string[]) {
  return texts.map((text) => ({
    ...{ id: `own ${text}`, type: 'test.happened', source: '/test', subject: text, partitionKey: text },
    data: { [text]: text },
  }))
}

/** What arrived of them, in the order of the texts as far as they are right. */
function arrived(outbox: TestOutbox, texts: readonly string[]): readonly unknown[] {
  return outbox.backend.received
    .map(({ id, subject, partitionKey, data }) => ({ id, subject: subject ?? '', partitionKey, data }))
    .toSorted((a, b) => texts.indexOf(a.subject) - texts.indexOf(b.subject))
}

function expected(texts: readonly string[]): readonly unknown[] {
  return eventsOf(texts).map(({ id, subject, partitionKey, data }) => ({ id, subject, partitionKey, data }))
}

async function errorsRecorded(outbox: TestOutbox, texts: readonly string[]): Promise<readonly unknown[]> {
  const { broadcaster, backend } = outbox
  backend.behaviour = (event) => notDelivered(new Error(texts[Number(event.data)] ?? ''))
  const events = texts.map((_, n) => ({ type: 'test.failed', source: '/test', data: n }))
  await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events, { maxRetries: 0 }))
  await broadcaster.processPendingEvents()
  const failed = await broadcaster.events.filter({ status: 'failed' })
  const rows = await Promise.all((await failed.all()).map((event) => event.load('attempts', 'data')))
  return rows
    .toSorted((a, b) => Number(a.data) - Number(b.data))
    .map(({ lastError, attempts }) => [lastError, ...attempts.map(({ error }) => error)])
}

for (const server of ['mariadb', 'mysql'] as const) {
  describe(`text on ${server}`, { skip: skipWithout(server) }, () => {
    async function open(t: TestContext, charset: string, ofDatabase: string) {
      const { pool, url, database, close } = await openPlace(servers[server]()?.url ?? '', { charset })
      const usual = createPool({ uri: url, connectionLimit: 4 })
      await usual.query(`ALTER DATABASE ${database} CHARACTER SET ${ofDatabase}`)
      t.after(async () => {
        await usual.end()
        await close()
      })
      const store = mysql({ pool }) as Store
      await store.schema.migrate({ lanes: 4 })
      return { store, usual: mysql({ pool: usual }) as Store, clear: () => usual.query('DELETE FROM outbox_events') }
    }

    for (const [charset, ofDatabase] of [
      ['sjis', 'utf8mb4'],
      ['big5', 'big5'],
      ['gbk', 'gbk'],
      ['latin1', 'utf8mb4'],
      ['utf8mb4', 'sjis'],
      ['utf8', 'utf8mb4'],
    ] as const) {
      test(`arrives as it was, over a connection in ${charset} and in a database in ${ofDatabase}`, async (t) => {
        const { store, usual, clear } = await open(t, charset, ofDatabase)
        for (const [publishes, relays] of [
          [store, usual],
          [usual, store],
        ] as const) {
          await using publisher = new TestOutbox({}, publishes)
          await using relay = new TestOutbox({}, relays)
          const { broadcaster } = publisher
          const publish = () => broadcaster.transaction((tx) => broadcaster.publishMany(tx, eventsOf(TEXTS)))
          await publish()
          // What is there already is read on the publisher's connection.
          assert.deepEqual(
            (await publish()).map(({ subject }) => subject),
            TEXTS,
          )
          await relay.broadcaster.processPendingEvents()
          assert.deepEqual(arrived(relay, TEXTS), expected(TEXTS))
          for (const text of TEXTS) {
            assert.equal(await relay.broadcaster.events.filter({ partitionKey: text }).count(), 1, text)
          }
          const heard = relay.heard('worker.error').map(({ error }) => String(error))
          assert.deepEqual([await errorsRecorded(relay, TEXTS), heard], [TEXTS.map((text) => [text, text]), []])
          await clear()
        }
      })
    }

    // Stored expressions have the character set of the database, and their literals that of the connection.
    test('is refused over a connection in gbk to a database in sjis, before anything is written', async (t) => {
      const refused = (error: unknown): boolean => error instanceof BroadcasterError && error.code === 'STORE_FAILED'
      if (server === 'mysql') return assert.rejects(open(t, 'gbk', 'sjis'), refused)
      const { store, usual } = await open(t, 'gbk', 'sjis')
      await using publisher = new TestOutbox({}, store)
      await assert.rejects(publisher.publish(['a']), refused)
      assert.equal(await usual.admin.count([]), 0)
    })
  })
}

/** A PostgreSQL database in an encoding of its own. */
async function postgresIn(t: TestContext, encoding: string): Promise<Store> {
  const url = servers.postgres()?.url ?? ''
  const database = `broadcaster_${encoding.toLowerCase()}_${randomBytes(4).toString('hex')}`
  const root = new Pool({ connectionString: url, max: 1 })
  await root.query(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C'`)
  const own = new URL(url)
  own.pathname = `/${database}`
  const pool = new Pool({ connectionString: own.href, max: 6 })
  // The server ends what is still closing.
  pool.on('error', () => undefined)
  t.after(async () => {
    await pool.end()
    await root.query(`DROP DATABASE ${database} WITH (FORCE)`)
    await root.end()
  })
  const store = postgres({ pool }) as Store
  await store.schema.migrate({ lanes: 4 })
  return store
}

describe('text on PostgreSQL', { skip: skipWithout('postgres') }, () => {
  /** As long as an error's text may be, each character of three bytes, and the last one cut where bytes are counted. */
  const LONG = `no ${'日'.repeat(1_997)}`

  for (const [encoding, texts] of [
    ['EUC_JP', ['日本', '表ソ能', `it's \\ "so" ~`, "表\\ソ'", LONG]],
    ['SQL_ASCII', [...TEXTS, LONG]],
  ] as const) {
    test(`arrives as it was in a database in ${encoding}`, async (t) => {
      const store = await postgresIn(t, encoding)
      await using outbox = new TestOutbox({}, store)
      const short = texts.filter((text) => text !== LONG)
      const { broadcaster } = outbox
      await broadcaster.transaction((tx) => broadcaster.publishMany(tx, eventsOf(short)))
      await broadcaster.processPendingEvents()
      assert.deepEqual(arrived(outbox, short), expected(short))
      assert.deepEqual(
        await errorsRecorded(outbox, texts),
        texts.map((text) => [text, text]),
      )
    })
  }

  test('is refused in a database in EUC_JP that has no such character, and an error is recorded without it', async (t) => {
    await using outbox = new TestOutbox({}, await postgresIn(t, 'EUC_JP'))
    const { broadcaster } = outbox
    await assert.rejects(
      broadcaster.transaction((tx) => broadcaster.publishMany(tx, eventsOf(['日本', '🛑']))),
      (error: unknown) => error instanceof BroadcasterError && error.code === 'STORE_FAILED',
    )
    assert.equal(await broadcaster.events.filter().count(), 0)
    assert.deepEqual(await errorsRecorded(outbox, ['no 🛑']), [['no ?', 'no ?']])
  })
})
