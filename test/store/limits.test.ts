import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StatementSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { Pool } from 'pg'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { type SqliteTransaction, sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { StatementOptions } from '../../src/store/statement-limits.ts'
import { BACKEND, insertOne, purgeNow } from '../../src/testing/store/steps.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { LIMITED_KINDS, type LimitedKind, type LimitedPlace } from './limits-kinds.ts'

const QUICK: StatementOptions = { statementTimeout: 1_000 }

async function withPlace(
  kind: LimitedKind,
  work: (place: LimitedPlace) => Promise<void>,
  options: StatementOptions = QUICK,
  max?: number,
): Promise<void> {
  const place = await kind.open(options, max)
  try {
    await work(place)
  } finally {
    await place.close()
  }
}

/** How long it takes, in ms. */
async function timeOf(work: Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work
  return performance.now() - started
}

/** What the promise gives; fails where it would wait for ever. */
async function soon<T>(promise: Promise<T>): Promise<T> {
  const limit = AbortSignal.timeout(6_000)
  const late = new Promise<never>((_resolve, reject) => {
    limit.addEventListener('abort', () => reject(new Error('not within six seconds')))
  })
  return Promise.race([promise, late])
}

const OWNERSHIP = { workerId: '00000000-0000-7000-8000-000000000000', fences: new Map([[0, 1]]), backend: 'main' }

for (const kind of LIMITED_KINDS) {
  describe(`limits on ${kind.title}`, { skip: skipWithout(kind.name) }, () => {
    test('connections that have gone silent are taken off the pool, one of two, too', () =>
      withPlace(
        kind,
        async ({ store, proxy, ping }) => {
          await store.relay.fetch(['main'], [{ lane: 0, after: 0, limit: 1 }])
          proxy.silence('both')
          for (let n = 0; n < 4; n++) {
            await assert.rejects(store.relay.fetch(['main'], [{ lane: 0, after: 0, limit: 1 }]), {
              code: 'STORE_UNAVAILABLE',
            })
          }
          // What was cut off is gone; the path is well again.
          proxy.cut()
          proxy.silence(false)
          assert.deepEqual(await store.relay.fetch(['main'], [{ lane: 0, after: 0, limit: 1 }]), [])
          await ping()
        },
        QUICK,
        2,
      ))

    test('a statement that hangs has its connection destroyed, and the next one is answered, though the flow stays dead', () =>
      withPlace(kind, async ({ store, proxy }) => {
        await store.coordination.survey(['main'])
        proxy.freeze()
        await assert.rejects(store.coordination.survey(['main']), { code: 'STORE_UNAVAILABLE' })
        assert.deepEqual((await store.coordination.survey(['main'])).workers, [])
      }))

    test('what is locked by somebody is waited for only so long, and keeps neither heartbeat nor application waiting', () =>
      withPlace(kind, async ({ store, lockLanes, ping }) => {
        const id = await store.coordination.enter({ name: 'a', backends: ['main'], lease: 60_000 })
        const unlock = await lockLanes()
        const lanes = (await store.coordination.survey(['main'])).lanes
        const claiming = store.coordination.claim(id, lanes)
        claiming.catch(() => undefined)
        assert.ok((await timeOf(ping())) < 500)
        assert.ok((await timeOf(store.relay.fetch(['main'], [{ lane: 0, after: 0, limit: 1 }]))) < 500)
        await assert.rejects(claiming, { code: 'STORE_BUSY' })
        await unlock()
        assert.equal((await store.coordination.claim(id, lanes)).length, 4)
      }))

    test('the look at the schema before a start waits for nothing that an operator has asked for', () =>
      withPlace(kind, async ({ store, lockLanes }) => {
        await store.coordination.enter({ name: 'a', backends: [BACKEND], lease: 60_000 })
        const { id } = await insertOne(store)
        const unlock = await lockLanes()
        const holding = store.admin.hold([id], 1_000)
        assert.ok((await timeOf(store.schema.check())) < 3_000)
        await unlock()
        assert.equal((await holding).length, 1)
      }))

    test('handlers that ask the same small pool for a connection each do not wait for each other', () =>
      withPlace(
        kind,
        async ({ store, ping }) => {
          const handled = Array.from({ length: 8 }, () =>
            store.relay.settleInTransaction(OWNERSHIP, async () => {
              await soon(ping())
              return undefined
            }),
          )
          await Promise.all(handled)
        },
        {},
        4,
      ))

    test('a pool of our own has room for the handlers that were asked for', () =>
      withPlace(kind, async ({ own }) => {
        const store = own({ transactions: 12, statementTimeout: 8_000 })
        let began = 0
        const all = Promise.withResolvers<void>()
        const handled = Array.from({ length: 12 }, () =>
          store.relay.settleInTransaction(OWNERSHIP, async () => {
            if (++began === 12) all.resolve()
            await soon(all.promise)
            await soon(store.transaction(async () => undefined))
            return undefined
          }),
        )
        await Promise.allSettled(handled)
        await store.close()
        await Promise.all(handled)
      }))

    test('a hung statement of each kind takes no more than its share of the pool', () =>
      withPlace(kind, async ({ store, proxy }) => {
        proxy.silence('both')
        const fetches = Array.from({ length: 20 }, () => store.relay.fetch(['main'], [{ lane: 0, after: 0, limit: 1 }]))
        const surveys = Array.from({ length: 20 }, () => store.coordination.survey(['main']))
        const ended = Promise.allSettled([...fetches, ...surveys])
        await new Promise((resolve) => setTimeout(resolve, 300))
        assert.ok(proxy.connections <= 3, `${proxy.connections} connections`)
        assert.ok((await ended).every(({ status }) => status === 'rejected'))
      }))

    test('sessions of the application keep their own limits', () =>
      withPlace(
        kind,
        async ({ store, settings }) => {
          const before = await settings()
          await store.coordination.enter({ name: 'a', backends: ['main'], lease: 60_000 })
          await store.relay.fetch(['main'], [{ lane: 0, after: 0, limit: 1 }])
          await purgeNow(store, { published: 0, failed: 0 }, { cancelled: 0 })
          assert.deepEqual(await settings(), before)
        },
        QUICK,
        1,
      ))

    test('connections to a server that may not be written to any more are left, all of them', () =>
      withPlace(kind, async ({ store, makeReadOnly }) => {
        await makeReadOnly()
        const enter = () => store.coordination.enter({ name: 'a', backends: ['main'], lease: 60_000 })
        await assert.rejects(enter(), { code: 'STORE_UNAVAILABLE' })
        for (let n = 0; n < 12; n++) await enter()
      }))

    test('a handle refuses when its transaction is over, and what its code still asks for is cut', () =>
      withPlace(kind, async ({ store, write, sleep, written, ping }) => {
        let late: unknown
        let sleeping: Promise<unknown> = Promise.resolve()
        const { recorded } = await store.relay.settleInTransaction(OWNERSHIP, async (tx) => {
          late = tx
          await write(tx)
          sleeping = sleep(tx)
          sleeping.catch(() => undefined)
          return undefined
        })
        assert.equal(recorded, false)
        await assert.rejects(sleeping)
        await assert.rejects(async () => write(late), { code: 'TRANSACTION_ENDED' })
        await store.transaction(async (tx) => {
          late = tx
        })
        await assert.rejects(async () => write(late), { code: 'TRANSACTION_ENDED' })
        await ping()
        assert.equal(await written(), 0)
      }))

    test('close ends though the server says nothing', () =>
      withPlace(kind, async ({ own, proxy }) => {
        // Nothing but the limit of the close itself ends it.
        const store = own({ statementTimeout: 60_000 })
        await store.coordination.survey(['main'])
        proxy.silence('both')
        const asking = store.relay.fetch(['main'], [{ lane: 0, after: 0, limit: 1 }]).catch(() => undefined)
        // Until it is on its way: a store that is closed sends nothing more.
        await new Promise((resolve) => setTimeout(resolve, 100))
        const took = await timeOf(soon(store.close()))
        assert.ok(took > 1_500, `the control: it waits for what is under way (${took} ms)`)
        assert.ok(took < 4_000, `took ${took} ms`)
        await soon(asking)
      }))
  })
}

test('a pool of the application without a listener for errors survives that the server ends its connections', {
  skip: skipWithout('postgres'),
}, async () => {
  const pool = new Pool({ connectionString: servers.postgres()?.url })
  const store = postgres({ pool, listen: false })
  const { rows } = await pool.query('SELECT pg_backend_pid() AS pid')
  // Not `once` of node:events, which would hear the error in our stead.
  const removed = new Promise<void>((resolve) => pool.on('remove', () => resolve()))
  const other = new Pool({ connectionString: servers.postgres()?.url, max: 1 })
  await other.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
  await removed
  await pool.query('SELECT 1')
  await store.close()
  await pool.end()
  await other.end()
})

test('a handle of SQLite, and what was prepared with it, refuses when its transaction is over; close ends one that goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-test-'))
  const path = join(folder, 'outbox.db')
  const store = sqlite({ path, busyTimeout: 200 })
  try {
    await store.schema.migrate()
    await store.transaction(async (tx) => tx.exec('CREATE TABLE written (id integer)'))
    let late: SqliteTransaction | undefined
    let statement: StatementSync | undefined
    await store.relay.settleInTransaction(OWNERSHIP, async (tx) => {
      late = tx as SqliteTransaction
      statement = late.prepare('INSERT INTO written VALUES (1)')
      statement.run()
      return undefined
    })
    assert.throws(() => late?.exec('INSERT INTO written VALUES (2)'), { code: 'TRANSACTION_ENDED' })
    assert.throws(() => statement?.run(), { code: 'TRANSACTION_ENDED' })
    const going = Promise.withResolvers<undefined>()
    const hung = store.relay.settleInTransaction(OWNERSHIP, () => going.promise)
    await store.coordination.survey(['main'])
    assert.ok((await timeOf(store.close())) < 2_000)
    going.resolve(undefined)
    await hung.catch(() => undefined)
    const after = sqlite({ path })
    await after.transaction(async (tx) => assert.equal(tx.prepare('SELECT * FROM written').all().length, 0))
    await after.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
