import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import { Client } from 'pg'
import { memoryBackend } from '../../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../../src/broadcaster.ts'
import { BroadcasterError, type ErrorCode } from '../../../src/errors.ts'
import { isRetryable } from '../../../src/store/database-error.ts'
import { mysql2Transaction } from '../../../src/store/mysql/mysql2-transaction.ts'
import { pgTransaction } from '../../../src/store/postgres/pg-transaction.ts'
import type { Store } from '../../../src/store/store.ts'
import type { Cell, OpenCell, Place, Scope } from './cell.ts'

/** What `publish` throws when the database refuses: an error of ours, whatever library is between. */
export function databaseErrorSuite(
  name: string,
  open: OpenCell,
  sharedPlace: () => Promise<Place>,
  skip: string | false,
): void {
  describe(`${name}: an error of the database`, { skip }, () => {
    const source = `/${encodeURIComponent(name)}`
    let place: Place
    let cell: Cell

    before(async () => {
      place = await sharedPlace()
      cell = await open(place)
    })
    after(async () => {
      await cell?.close()
    })

    const broadcasterOn = (store: Store): Broadcaster<unknown, unknown> =>
      new Broadcaster({ store, transaction: cell.adapter, backends: { default: memoryBackend() } })
    const publish = (broadcaster: Broadcaster<unknown, unknown>, { tx }: Scope, id: string): unknown => {
      const event = { type: 'order.created', source, id }
      return cell.sync ? broadcaster.publishSync(tx, event) : broadcaster.publish(tx, event)
    }

    /** What `publish` throws in a transaction where `prepare` was run before; the transaction is rolled back. */
    const thrownBy = async (store: Store, prepare: readonly string[] = []): Promise<unknown> => {
      const broadcaster = broadcasterOn(store)
      let thrown: unknown
      const work = async (): Promise<void> =>
        void (await cell.transact(function* (scope) {
          for (const sql of prepare) yield scope.exec(sql)
          try {
            yield publish(broadcaster, scope, 'refused')
          } catch (error) {
            thrown = error
          }
          throw new Error('rolled back')
        }))
      await assert.rejects(work())
      return thrown
    }

    test('before migrate it says so', async () => {
      const thrown = await thrownBy(place.unmigrated)
      tells(thrown, 'SCHEMA_MISSING', { retryable: false, message: /run `broadcaster migrate`/ })
      const broadcaster = broadcasterOn(place.unmigrated)
      const entered: unknown[] = []
      const work = async (): Promise<void> =>
        void (await cell.transact(function* ({ tx }) {
          const event = { source: '/s', id: 'a' }
          const ignore = (): void => {}
          try {
            yield cell.sync
              ? broadcaster.inbox.onceSync(tx, 'c', event, ignore)
              : broadcaster.inbox.once(tx, 'c', event, ignore)
          } catch (error) {
            entered.push(error)
          }
          throw new Error('rolled back')
        }))
      await assert.rejects(work())
      tells(entered[0], 'SCHEMA_MISSING', { retryable: false, message: /run `broadcaster migrate`/ })
    })

    test('a transaction that only reads, and a user who may not write', async (t) => {
      if (cell.adapter.dialect !== 'postgres') return t.skip('only PostgreSQL changes that within a transaction')
      const readOnly = await thrownBy(place.store, ['SET TRANSACTION READ ONLY'])
      tells(readOnly, 'STORE_READ_ONLY', { retryable: true, message: /READ ONLY/ })
      const forbidden = await thrownBy(place.store, ['SET LOCAL ROLE pg_signal_backend'])
      tells(forbidden, 'PERMISSION_DENIED', { retryable: false, message: /grant/ })
    })

    test('a lock that is held too long', async (t) => {
      if (cell.adapter.dialect !== 'postgres' || place.url === '') return t.skip('it takes two connections and a limit')
      const broadcaster = broadcasterOn(place.store)
      await using other = await rival(place)
      await other.publish(broadcaster.store, source, ['refused'])
      for (const limit of ['statement_timeout', 'lock_timeout']) {
        const thrown = await thrownBy(place.store, [`SET LOCAL ${limit} = '50ms'`])
        tells(thrown, 'STORE_BUSY', { retryable: true, message: /run the transaction again/ })
      }
    })

    test('a deadlock is lost, and the loop around the transaction runs it again', async (t) => {
      if (place.url === '') return t.skip('SQLite and PGlite have one writer')
      const broadcaster = broadcasterOn(place.store)
      const { dialect } = cell.adapter
      const told: unknown[] = []
      {
        await using other = await rival(place)
        // The heavier one survives on MySQL; on PostgreSQL the one that has waited longer loses.
        await other.publish(place.store, source, [...Array.from({ length: 50 }, (_, n) => `heavy-${n}`), 'theirs'])
        for (let attempt = 1; ; attempt++) {
          try {
            await cell.transact(function* (scope) {
              if (dialect === 'postgres') yield scope.exec("SET LOCAL deadlock_timeout = '500ms'")
              yield publish(broadcaster, scope, `ours-${attempt}`)
              if (attempt > 1) return
              const ours = publish(broadcaster, scope, 'theirs') as Promise<unknown>
              yield Promise.all([ours, other.publishWhenWaitedFor(place.store, source, 'ours-1')])
            })
            break
          } catch (error) {
            told.push(error)
            if (attempt === 3 || !isRetryable(error)) throw error
          }
        }
      }
      assert.equal(told.length, 1)
      tells(told[0], 'TRANSACTION_CONFLICT', { retryable: true, message: /run it again from its beginning/ })
      const stored = await broadcaster.events.filter({ source, eventId: ['ours-1', 'ours-2'] }).all()
      assert.deepEqual(
        stored.map(({ eventId }) => eventId),
        ['ours-2'],
      )
    })
  })
}

function tells(
  thrown: unknown,
  code: ErrorCode,
  { retryable, message }: { readonly retryable: boolean; readonly message: RegExp },
): void {
  assert.ok(thrown instanceof BroadcasterError, `not ours: ${String(thrown)}`)
  assert.equal(thrown.code, code, thrown.message)
  assert.equal(thrown.retryable, retryable)
  assert.equal(isRetryable(thrown), retryable)
  assert.match(thrown.message, message)
  assert.ok(thrown.cause instanceof Error, 'the error of the library is the cause')
  assert.doesNotMatch(thrown.message, /INSERT INTO/, 'the message does not repeat the statement')
}

/** Another transaction on the same server, past the library; rolled back when it is disposed of. */
async function rival(place: Place) {
  if (place.store.dialect === 'postgres') {
    const client = new Client(place.url)
    await client.connect()
    await client.query('BEGIN')
    const onto = (store: Store) =>
      new Broadcaster({ store, transaction: pgTransaction(), backends: { default: memoryBackend() } })
    const waits = async (): Promise<boolean> =>
      (await client.query('SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))')).rows
        .length > 0
    return rivalOf(
      (store, events) => onto(store).publishMany(client, events),
      waits,
      async () => {
        await client.query('ROLLBACK').catch(() => undefined)
        await client.end()
      },
    )
  }
  const connection = await createConnection(place.url)
  const watch = await createConnection(place.url)
  await connection.beginTransaction()
  const onto = (store: Store) =>
    new Broadcaster({ store, transaction: mysql2Transaction(), backends: { default: memoryBackend() } })
  const waits = async (): Promise<boolean> => {
    const [rows] = await watch.query("SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")
    return (rows as unknown[]).length > 0
  }
  return rivalOf(
    (store, events) => onto(store).publishMany(connection, events),
    waits,
    async () => {
      await connection.rollback().catch(() => undefined)
      await connection.end()
      await watch.end()
    },
  )
}

type Events = readonly { readonly type: string; readonly source: string; readonly id: string }[]

function rivalOf(
  run: (store: Store, events: Events) => Promise<unknown>,
  isWaitedFor: () => Promise<boolean>,
  end: () => Promise<void>,
) {
  const publish = (store: Store, source: string, ids: readonly string[]) =>
    run(
      store,
      ids.map((id) => ({ type: 'rival', source, id })),
    )
  return {
    publish,
    async publishWhenWaitedFor(store: Store, source: string, id: string) {
      // MySQL answers from a cache when it is asked more often than every 100 ms.
      while (!(await isWaitedFor())) await sleep(120)
      await publish(store, source, [id])
    },
    [Symbol.asyncDispose]: end,
  }
}
