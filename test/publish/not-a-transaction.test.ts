import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Inbox } from '../../src/inbox/inbox.ts'
import { memoryBackend } from '../../src/memory.ts'
import { pgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { postgresJsTransaction } from '../../src/store/postgres/postgres-js-transaction.ts'
import type { TransactionAdapter } from '../../src/store/transaction-adapter.ts'
import { drizzleTransaction } from '../../src/transactions/drizzle.ts'
import { knexTransaction } from '../../src/transactions/knex.ts'
import { kyselyTransaction } from '../../src/transactions/kysely.ts'
import { mikroOrmTransaction } from '../../src/transactions/mikro-orm.ts'
import { prismaTransaction } from '../../src/transactions/prisma.ts'
import { sequelizeTransaction } from '../../src/transactions/sequelize.ts'
import { typeormTransaction } from '../../src/transactions/typeorm.ts'

const event = { type: 'order.created', source: '/orders', data: 1 }
const dialect = 'postgres' as const

// biome-ignore lint/suspicious/noExplicitAny: what is given is wrong on purpose.
type Adapter = TransactionAdapter<any>

const adapters: readonly Adapter[] = [
  ...[pgTransaction(), postgresJsTransaction(), drizzleTransaction({ dialect }), knexTransaction({ dialect })],
  ...[kyselyTransaction({ dialect }), mikroOrmTransaction({ dialect }), prismaTransaction({ dialect })],
  ...[sequelizeTransaction({ dialect }), typeormTransaction({ dialect })],
]

for (const transaction of adapters) {
  describe(`through the adapter ${transaction.name}`, () => {
    // Nothing is connected to: what is no transaction is refused before.
    const store = postgres({ url: 'postgres://h/d' })
    const broadcaster = new Broadcaster({ store, transaction, backends: { a: memoryBackend() }, logger: false })
    const inbox = new Inbox({ store, transaction })
    // Of another library, as broadcaster.transaction() gives it.
    const other = new (class Transaction {})()

    test('who gives something else is told whose transactions are taken', async () => {
      const refused = {
        code: 'NOT_A_TRANSACTION',
        field: 'tx',
        message: new RegExp(
          `^tx is .*; .*\\(the transaction adapter here is ${transaction.name}; what broadcaster.transaction gives is for .*\\)$`,
        ),
      }
      await assert.rejects(broadcaster.publish(other, event), refused)
      await assert.rejects(broadcaster.publishMany(other, [event]), refused)
      await assert.rejects(
        inbox.once(other, 'billing', { ...event, id: '1' }, () => assert.fail('it ran')),
        refused,
      )
    })

    test('who leaves the transaction out is told that it comes first', async () => {
      const refused = {
        code: 'NOT_A_TRANSACTION',
        field: 'tx',
        message: 'tx is an event; the transaction comes first, and the event after it',
      }
      const { publish, publishMany } = {
        publish: broadcaster.publish.bind(broadcaster) as unknown as (event: unknown) => Promise<unknown>,
        publishMany: broadcaster.publishMany.bind(broadcaster) as unknown as (events: unknown) => Promise<unknown>,
      }
      await assert.rejects(publish(event), refused)
      await assert.rejects(publishMany([event, event]), refused)
    })
  })
}
