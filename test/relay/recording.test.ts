import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'pg'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError, RetryAfterError } from '../../src/backend/send-error.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { openPlace as openMysqlPlace } from '../store/mysql-place.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { TestOutbox } from './outbox.ts'

const EMOJI = 'the shop says 🛑 日本'
const EVENTS = 50

/** Of `EVENTS` events all are delivered but the first, which fails with `error`. Resolves when all of it is recorded. */
async function oneFails(outbox: TestOutbox, error: unknown): Promise<void> {
  outbox.backend.behaviour = (event) => (event.data === 1 ? notDelivered(error) : delivered)
  await outbox.publish(new Array<null>(EVENTS).fill(null), { maxRetries: 5 })
  await outbox.broadcaster.worker({ retry: { base: 60_000, jitter: 'none' } }).start()
  await outbox.until(
    () => outbox.heard('event.published').length === EVENTS - 1 && outbox.heard('event.retried').length === 1,
  )
}

async function statuses(outbox: TestOutbox): Promise<Record<string, number>> {
  const events = await outbox.broadcaster.events.all()
  return Object.fromEntries(
    [...Map.groupBy(events, (event) => event.status)].map(([status, group]) => [status, group.length]),
  )
}

/** A PostgreSQL database whose text cannot hold what is not LATIN1. */
async function latin1Store(t: TestContext): Promise<Store> {
  const url = servers.postgres()?.url ?? ''
  const database = `broadcaster_latin1_${randomBytes(4).toString('hex')}`
  const root = new Pool({ connectionString: url, max: 1 })
  await root.query(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`)
  const own = new URL(url)
  own.pathname = `/${database}`
  const pool = new Pool({ connectionString: own.href, max: 6 })
  const store = postgres({ pool }) as Store
  t.after(async () => {
    await store.close()
    await pool.end()
    // The server may not know yet that the last connection is closed.
    for (let left = 100; left > 0; left--) {
      const dropped = await root.query(`DROP DATABASE ${database}`).catch(() => undefined)
      if (dropped) break
      await pause(100)
    }
    await root.end()
  })
  await store.schema.migrate()
  return store
}

/** An outbox over a connection whose character set has three bytes for a character. */
async function utf8Store(t: TestContext, server: 'mariadb' | 'mysql'): Promise<Store> {
  const { pool, close } = await openMysqlPlace(servers[server]()?.url ?? '', { charset: 'utf8' })
  const store = mysql({ pool }) as Store
  t.after(async () => {
    await store.close()
    await close()
  })
  await store.schema.migrate()
  return store
}

const NARROW = [
  { name: 'a PostgreSQL database in LATIN1', skip: skipWithout('postgres'), open: latin1Store },
  {
    name: 'MariaDB over a connection in utf8',
    skip: skipWithout('mariadb'),
    open: (t: TestContext) => utf8Store(t, 'mariadb'),
  },
  {
    name: 'MySQL over a connection in utf8',
    skip: skipWithout('mysql'),
    open: (t: TestContext) => utf8Store(t, 'mysql'),
  },
] as const

for (const { name, skip, open } of NARROW) {
  describe(`an error text that cannot be written: ${name}`, { skip }, () => {
    test('is recorded as far as it can be, and no other outcome waits for it', async (t) => {
      await using outbox = new TestOutbox({}, await open(t))
      await oneFails(outbox, new Error(EMOJI))
      assert.deepEqual(await statuses(outbox), { published: EVENTS - 1, retry: 1 })
      const failed = await outbox.broadcaster.events.get({ status: 'retry' })
      assert.equal(failed.retryCount, 1)
      assert.match(failed.lastError, /^the shop says /)
    })

    test('does not keep an outage from ending', async (t) => {
      await using outbox = new TestOutbox({}, await open(t))
      let down = true
      outbox.backend.behaviour = () => (down ? notDelivered(new OutageError(EMOJI)) : delivered)
      await outbox.publish(['a', 'b'])
      await outbox.broadcaster.worker().start()
      await outbox.until(() => outbox.heard('backend.down').length === 1)
      const { breakers } = await outbox.broadcaster.store.coordination.survey(['main'])
      assert.match(breakers[0]?.error ?? '', /^the shop says /)
      down = false
      await outbox.until(() => outbox.heard('event.published').length === 2)
    })
  })
}

for (const [what, delay] of [
  ['a word', 'soon'],
  ['no date', new Date('soon')],
  ['a date', new Date()],
  ['NaN', Number.NaN],
  ['null', null],
] as const) {
  for (const server of ['memory', 'mariadb'] as const) {
    const skip = server === 'memory' ? false : skipWithout(server)
    test(`a retryAfter that is ${what} counts as none (${server})`, { skip }, async (t) => {
      const store = server === 'memory' ? memoryStore() : await utf8Store(t, server)
      await using outbox = new TestOutbox({}, store as Store)
      await oneFails(outbox, new RetryAfterError('later', { retryAfter: delay as never }))
      assert.equal(outbox.heard('worker.error').length, 0)
      assert.equal(outbox.heard('event.retried')[0]?.delay, 60_000)
    })
  }
}

for (const { name, server, open } of PLACED_STORES) {
  describe(`a row that somebody edited: ${name}`, { skip: server && skipWithout(server) }, () => {
    for (const attempts of name === 'postgres' ? ['{"no":"list"}', '7'] : ['no JSON', '{"no":"list"}', '7']) {
      test(`attempts that are ${attempts} begin anew`, async (t) => {
        const { store, look, close } = await open()
        t.after(close)
        await store.schema.migrate()
        await using outbox = new TestOutbox({}, store)
        const [first] = await outbox.publish(new Array<null>(10).fill(null))
        await look(`UPDATE outbox_events SET attempts = '${attempts}'`)
        outbox.backend.behaviour = (event) => (event.id === first?.id ? notDelivered(new Error('no')) : delivered)
        await outbox.broadcaster.worker({ retry: { base: 60_000 } }).start()
        await outbox.until(
          () => outbox.heard('event.published').length === 9 && outbox.heard('event.retried').length === 1,
        )
        assert.equal(outbox.heard('worker.error').length, 0)
        assert.deepEqual(
          (await first?.load('attempts'))?.attempts.map(({ error }) => error),
          ['no'],
        )
      })
    }
  })
}

/** Makes the database refuse to record anything of one event. */
const REFUSALS = {
  postgres: (id: string) => [
    `CREATE FUNCTION outbox_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$`,
    `CREATE TRIGGER refuse BEFORE UPDATE ON outbox_events FOR EACH ROW WHEN (OLD.id = '${id}') EXECUTE FUNCTION outbox_refuse()`,
  ],
  sqlite: (id: string) => [
    `CREATE TRIGGER refuse BEFORE UPDATE ON outbox_events WHEN OLD.id = '${id.replaceAll('-', '')}' BEGIN SELECT RAISE(ABORT, 'not this one'); END`,
  ],
} as const

for (const { name, server, open } of PLACED_STORES) {
  if (name !== 'postgres' && name !== 'sqlite') continue
  for (const what of ['delivered', 'failed'] as const) {
    test(`an event of which nothing can be recorded, ${what}, is reported, is sent once, and delays nobody (${name})`, {
      skip: server && skipWithout(server),
    }, async (t) => {
      const { store, look, close } = await open()
      t.after(close)
      await store.schema.migrate()
      await using outbox = new TestOutbox({}, store)
      const keys = Array.from({ length: EVENTS }, (_, n) => (n < 2 ? 'a' : `key-${n}`))
      const [first, second] = await outbox.publish(keys)
      for (const statement of REFUSALS[name](first?.id ?? '')) await look(statement)
      let sent = 0
      outbox.backend.behaviour = (event) => {
        if (event.id !== first?.id) return delivered
        sent++
        return what === 'delivered' ? delivered : notDelivered(new Error('no'))
      }
      await outbox.broadcaster.worker().start()
      const behindIt = what === 'delivered' ? 1 : 0
      await outbox.until(() => outbox.heard('event.published').length === EVENTS - 2 + behindIt)
      // Those that come after it are no later for it.
      await outbox.publish(['later'])
      await outbox.until(() => outbox.heard('event.published').length === EVENTS - 1 + behindIt)
      await outbox.until(() => refusals(outbox).length === 1)
      assert.equal(sent, 1)
      assert.equal((await second?.refresh())?.status, what === 'delivered' ? 'published' : 'pending')
      // Moved by an operator, it is another attempt, and is sent at once.
      await look(name === 'postgres' ? 'DROP TRIGGER refuse ON outbox_events' : 'DROP TRIGGER refuse')
      const { events } = outbox.broadcaster
      assert.deepEqual((await events.cancel([first?.id ?? ''])).moved, [first?.id])
      assert.deepEqual((await events.requeue([first?.id ?? ''])).moved, [first?.id])
      await outbox.until(() => sent === 2)
    })
  }
}

function refusals(outbox: TestOutbox) {
  return outbox
    .heard('worker.error')
    .filter(({ error }) => error instanceof Error && 'code' in error && error.code === 'OUTCOME_REFUSED')
}
