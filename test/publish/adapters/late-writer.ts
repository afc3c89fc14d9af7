import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sql as drizzleSql } from 'drizzle-orm'
import { CompiledQuery } from 'kysely'
import { Consumer } from '../../../src/consumer/consumer.ts'
import { memorySubscription } from '../../../src/consumer/memory/memory-subscription.ts'
import { Inbox } from '../../../src/inbox/inbox.ts'
import type { Cell, OpenCell, Place } from './cell.ts'

/** A transaction of any library. */
type Native = Record<'query' | 'unsafe' | 'exec' | 'execute' | 'run' | 'raw', (sql: unknown) => unknown> & {
  $executeRawUnsafe(sql: string): unknown
  executeQuery(query: CompiledQuery): unknown
  readonly sequelize: { query(sql: string, options: { readonly transaction: unknown }): unknown }
}

/** How an application runs a statement on what it was given, by the adapter's name. */
const EXECUTE: Readonly<Record<string, (tx: Native, sql: string) => unknown>> = {
  pg: (tx, sql) => tx.query(sql),
  'postgres.js': (tx, sql) => tx.unsafe(sql),
  pglite: (tx, sql) => tx.exec(sql),
  'node:sqlite': (tx, sql) => tx.exec(sql),
  libsql: (tx, sql) => tx.execute(sql),
  mysql2: (tx, sql) => tx.query(sql),
  drizzle: (tx, sql) => (tx.execute ?? tx.run).call(tx, drizzleSql.raw(sql)),
  prisma: (tx, sql) => tx.$executeRawUnsafe(sql),
  kysely: (tx, sql) => tx.executeQuery(CompiledQuery.raw(sql)),
  knex: (tx, sql) => tx.raw(sql),
  typeorm: (tx, sql) => tx.query(sql),
  'mikro-orm': (tx, sql) => tx.execute(sql),
  sequelize: (tx, sql) => tx.sequelize.query(sql, { transaction: tx }),
}

/** What must hold of a handler that outlives its time and goes on writing. */
export function lateWriterSuite(
  name: string,
  open: OpenCell,
  sharedPlace: () => Promise<Place>,
  skip: string | false,
): void {
  describe(`${name}: a handler that goes on after its time`, { skip }, () => {
    let place: Place
    let cell: Cell

    before(async () => {
      place = await sharedPlace()
      cell = await open(place)
    })
    after(async () => {
      await cell?.close()
    })

    test('what it writes late is refused, and lands in no other transaction', async (t) => {
      if (cell.sync) return t.skip('nothing is late in a synchronous library')
      const execute = EXECUTE[cell.adapter.name]
      assert.ok(execute, cell.adapter.name)
      const idOf = (what: string): string => `${name}: ${what}`
      const write = async (tx: unknown, what: string): Promise<unknown> =>
        execute(tx as Native, `INSERT INTO ${place.orders} VALUES ('${idOf(what)}')`)
      const second = Promise.withResolvers<void>()
      const late = Promise.withResolvers<unknown>()
      let attempts = 0
      const subscription = memorySubscription()
      const consumer = new Consumer({
        name: 'late',
        subscription,
        inbox: new Inbox({ store: place.store, transaction: cell.adapter }),
        transaction: transactionOf(cell),
        handlerTimeout: 500,
        pruneInboxAfter: null,
        retry: { base: 1, jitter: 'none' },
        handlers: {
          '*': async (_event: unknown, { tx }: { readonly tx: unknown }) => {
            const attempt = ++attempts
            await write(tx, `attempt-${attempt}`)
            if (attempt === 1) {
              await second.promise
              late.resolve(await write(tx, 'late').catch((error: unknown) => error))
              return
            }
            // While this transaction is open, perhaps on the connection that the first one had.
            second.resolve()
            await late.promise
          },
        },
      })
      await consumer.start()
      try {
        subscription.deliver({ specversion: '1.0', id: idOf('message'), source: '/orders', type: 'order.created' })
        await subscription.settled()
      } finally {
        second.resolve()
        await consumer.stop()
      }
      const said = await late.promise
      assert.ok(said instanceof Error && 'code' in said, `it was not refused: ${String(said)}`)
      assert.equal(said.code, 'TRANSACTION_ENDED', said.message)
      // The place is shared with the other cases of this cell.
      const ours = [idOf('late'), ...Array.from({ length: attempts }, (_, at) => idOf(`attempt-${at + 1}`))]
      const written = (await place.orderIds()).filter((id) => ours.includes(id))
      assert.deepEqual(written, [idOf(`attempt-${attempts}`)])
    })
  })
}

function transactionOf(cell: Cell) {
  return async <T>(work: (tx: unknown) => Promise<T>): Promise<T> => {
    let result: T | undefined
    await cell.transact(function* ({ tx }) {
      result = (yield work(tx)) as T
    })
    return result as T
  }
}
