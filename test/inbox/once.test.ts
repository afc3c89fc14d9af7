import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { nested } from '../../src/foundation/option-kinds.ts'
import { Inbox } from '../../src/inbox/inbox.ts'
import { Retention } from '../../src/relay/retention.ts'
import { RETENTION } from '../../src/retention/retention-options.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { pgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { nodeSqliteTransaction } from '../../src/store/sqlite/sync-transaction.ts'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { STORES } from '../support/stores.ts'

const EVENTS = 1_000
const DELIVERERS = 4
const event = { source: '/orders', id: 'o-1' }

for (const { name, skip, open } of STORES) {
  test(`${name}: ${EVENTS} events, each delivered ${DELIVERERS} times at once, run once each`, { skip }, async () => {
    const { store, close } = await open()
    try {
      const inbox = new Inbox({ store })
      const runs = new Map<string, number>()
      let rolledBack = 0
      const deliver = async (start: number): Promise<void> => {
        for (let n = 0; n < EVENTS; n++) {
          const id = `e-${(start + n) % EVENTS}`
          let ran = false
          // Some transactions fail after their handler: what they did is undone, and it comes again.
          for (let attempt = 0; ; attempt++) {
            const fails = attempt === 0 && (start + n * 7) % 13 === 0
            try {
              await store.transaction(async (tx) => {
                ran = await inbox.once(tx, 'race', { source: '/race', id }, () => undefined)
                if (fails) throw new Error('rolled back')
              })
              break
            } catch (error) {
              // Several that wait while the first rolls back may be a deadlock on MySQL, which one of them loses.
              const deadlock = error instanceof BroadcasterError && error.code === 'TRANSACTION_CONFLICT'
              if (!fails && !deadlock) throw error
              rolledBack++
            }
          }
          if (ran) runs.set(id, (runs.get(id) ?? 0) + 1)
        }
      }
      // All begin near one another, so that the same event is under way in several transactions.
      await Promise.all(Array.from({ length: DELIVERERS }, (_, n) => deliver(n * 2)))
      assert.ok(rolledBack > 100, `${rolledBack} rolled back`)
      assert.equal(runs.size, EVENTS)
      assert.deepEqual(
        [...runs].filter(([, count]) => count !== 1),
        [],
      )
    } finally {
      await close()
    }
  })
}

describe('inbox', () => {
  test('refuses wrong input before anything is written', async () => {
    const store = memoryStore()
    const inbox = new Inbox({ store })
    const handle = () => assert.fail('it ran')
    await store.transaction(async (tx) => {
      await assert.rejects(inbox.once(tx, '', event, handle), { code: 'INVALID_OPTION', field: 'consumer', value: '' })
      await assert.rejects(inbox.once(tx, 'x'.repeat(101), event, handle), {
        code: 'INVALID_OPTION',
        field: 'consumer',
      })
      await assert.rejects(inbox.once(tx, 'billing', { source: '', id: '1' }, handle), {
        code: 'INVALID_EVENT',
        field: 'source',
      })
      await assert.rejects(inbox.once(tx, 'billing', { source: '/a' } as typeof event, handle), {
        code: 'INVALID_EVENT',
        field: 'id',
      })
    })
    await assert.rejects(inbox.prune({ age: -1 }), { code: 'INVALID_OPTION', field: 'age', value: -1 })
    await assert.rejects(inbox.prune({ limit: Number.NaN }), { code: 'INVALID_OPTION', field: 'limit' })
  })

  test('refuses options that do not fit', () => {
    const store = memoryStore()
    assert.throws(() => new Inbox({} as { store: typeof store }), { code: 'INVALID_OPTION', field: 'store' })
    assert.throws(() => new Inbox({ store, transactoin: 1 } as { store: typeof store }), /did you mean.*transaction/i)
    assert.throws(() => new Inbox({ store, transaction: pgTransaction() }), { code: 'ADAPTER_MISMATCH' })
  })

  test('refuses what is not an open transaction', async () => {
    const store = memoryStore()
    const inbox = new Inbox({ store })
    let late: Parameters<typeof inbox.once>[0] | undefined
    await store.transaction(async (tx) => {
      late = tx
    })
    assert.ok(late)
    await assert.rejects(
      inbox.once(late, 'billing', event, () => assert.fail('it ran')),
      { code: 'TRANSACTION_ENDED' },
    )
  })

  test('onceSync handles once with a synchronous library, and refuses a handler that is not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'broadcaster-inbox-'))
    const path = join(folder, 'shop.db')
    const store = sqlite({ path })
    try {
      await store.schema.migrate()
      const db = new DatabaseSync(path)
      const inbox = new Inbox({ store, transaction: nodeSqliteTransaction() })
      const inTransaction = <T>(work: () => T): T => {
        db.exec('BEGIN IMMEDIATE')
        try {
          const result = work()
          db.exec('COMMIT')
          return result
        } catch (error) {
          db.exec('ROLLBACK')
          throw error
        }
      }
      const handled: number[] = []
      assert.throws(() => inbox.onceSync(db, 'billing', event, () => undefined), { code: 'NOT_A_TRANSACTION' })
      assert.equal(
        inTransaction(() => inbox.onceSync(db, 'billing', event, () => handled.push(1))),
        true,
      )
      assert.equal(
        inTransaction(() => inbox.onceSync(db, 'billing', event, () => handled.push(2))),
        false,
      )
      assert.deepEqual(handled, [1])
      const other = { source: '/orders', id: 'o-2' }
      inTransaction(() => {
        assert.throws(() => inbox.onceSync(db, 'billing', other, async () => undefined), { code: 'INVALID_OPTION' })
      })
      assert.equal(
        inTransaction(() => inbox.onceSync(db, 'billing', other, () => undefined)),
        true,
        'what was refused left no entry',
      )
      const third = { source: '/orders', id: 'o-3' }
      inTransaction(() => {
        const fail = (): never => {
          throw new RangeError('caught, and committed all the same')
        }
        assert.throws(() => inbox.onceSync(db, 'billing', third, fail), RangeError)
      })
      assert.equal(
        inTransaction(() => inbox.onceSync(db, 'billing', third, () => undefined)),
        true,
        'what threw left no entry',
      )
      db.close()
    } finally {
      await store.close()
      rmSync(folder, { recursive: true })
    }
  })

  test('broadcaster.inbox shares the store and the transactions of the broadcaster', async () => {
    await using broadcaster = new Broadcaster({ store: memoryStore(), backends: { default: memoryBackend() } })
    const handle = () => broadcaster.transaction((tx) => broadcaster.inbox.once(tx, 'billing', event, () => undefined))
    assert.deepEqual([await handle(), await handle()], [true, false])
  })

  test('retention prunes the inbox in batches, and null keeps it', async () => {
    let now = 0
    const store = memoryStore({ now: () => now })
    const inbox = new Inbox({ store })
    await store.transaction(async (tx) => {
      for (let n = 0; n < 2_500; n++) await inbox.once(tx, 'billing', { source: '/a', id: `${n}` }, () => undefined)
    })
    const batches: number[] = []
    const nothing = memoryStore().retention
    const run = async (age: number | null): Promise<void> => {
      const cleaned = Promise.withResolvers<void>()
      const prune = async (options: { readonly age: number; readonly limit: number }): Promise<number> => {
        const count = await store.inbox.prune(options)
        batches.push(count)
        if (count < options.limit) cleaned.resolve()
        return count
      }
      const report = {
        onStarted: () => undefined,
        onPurged: () => assert.fail('no event was purged'),
        onFinished: () => undefined,
        onError: cleaned.reject,
      }
      const retention = new Retention(
        {
          retention: nothing,
          admin: memoryStore().admin,
          inbox: { prune },
          audit: { prune: async () => assert.fail('kept for ever') },
        },
        { ...nested(RETENTION).fallback, published: null, failed: null, inbox: age, audit: null },
        report,
      )
      const running = retention.run()
      if (age !== null) await cleaned.promise
      retention.stop()
      await running
    }
    now = 1_000
    await run(null)
    assert.deepEqual(batches, [])
    await run(1_001)
    assert.deepEqual(batches, [0])
    await run(1_000)
    assert.deepEqual(batches, [0, 1_000, 1_000, 500])
  })
})

test('after the handler the server is asked only where the library does not know', {
  skip: skipWithout('postgres'),
}, async () => {
  const { pool, schema, close } = openPlace(servers.postgres()?.url ?? '', 2)
  const store = postgres({ pool, schema })
  try {
    await store.schema.migrate()
    let statements = 0
    const pg: typeof store.transactionAdapter = {
      ...store.transactionAdapter,
      execute(...given) {
        statements++
        return store.transactionAdapter.execute(...given)
      },
    }
    const statementsOf = async (id: string, transaction: typeof pg): Promise<number> => {
      statements = 0
      const inbox = new Inbox({ store, transaction })
      assert.equal(await store.transaction((tx) => inbox.once(tx, 'billing', { ...event, id }, () => undefined)), true)
      return statements
    }
    assert.equal(await statementsOf('known', pg), 1)
    assert.equal(await statementsOf('asked', { ...pg, isIntact: () => false }), 2)
  } finally {
    await store.close()
    await close()
  }
})
