import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { defineEntity, MikroORM, p } from '@mikro-orm/sqlite'
import { PrismaLibSql } from '@prisma/adapter-libsql'
import { drizzle } from 'drizzle-orm/pglite'
import { PrismaClient } from '../../../examples/prisma/client/client.ts'
import { memoryBackend } from '../../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../../src/broadcaster.ts'
import type { TransactionAdapter } from '../../../src/store/transaction-adapter.ts'
import { drizzleTransaction } from '../../../src/transactions/drizzle.ts'
import { mikroOrmTransaction } from '../../../src/transactions/mikro-orm.ts'
import { prismaTransaction } from '../../../src/transactions/prisma.ts'
import { sequelizeTransaction } from '../../../src/transactions/sequelize.ts'
import { servers, skipWithout } from '../../support/servers.ts'
import type { DatabaseName, Place } from './cell.ts'
import { PLACES } from './place.ts'

const EVENT = { type: 'order.created', source: '/orders' }

/** A Broadcaster on a place of its own, closed with the test. */
function onPlace(database: DatabaseName) {
  let place: Place | undefined
  before(async () => {
    place = await PLACES[database].open()
  })
  after(() => place?.close())
  const get = (): Place => {
    assert.ok(place)
    return place
  }
  return {
    place: get,
    broadcaster: <Tx>(transaction: TransactionAdapter<Tx>) =>
      new Broadcaster({ store: get().store, transaction, backends: { default: memoryBackend() } }),
    count: () => get().store.admin.count([]),
  }
}

describe('MikroORM: the EntityManager of the application finds the transaction of its context', () => {
  const { place, broadcaster, count } = onPlace('sqlite')

  test('and is refused outside one', async () => {
    const Order = defineEntity({ name: 'Order', tableName: 'orders', properties: { id: p.string().primary() } })
    const orm = await MikroORM.init({ entities: [Order], dbName: place().path, allowGlobalContext: true })
    try {
      const { publish } = bound(broadcaster(mikroOrmTransaction({ dialect: 'sqlite' })))
      await orm.em.transactional(async () => {
        await publish(orm.em, EVENT)
      })
      assert.equal(await count(), 1)
      await assert.rejects(
        orm.em.transactional(async () => {
          await publish(orm.em, EVENT)
          throw new Error('rolled back')
        }),
        /rolled back/,
      )
      assert.equal(await count(), 1)
      await assert.rejects(publish(orm.em, EVENT), (error: { code?: string }) =>
        ['NOT_A_TRANSACTION', 'TRANSACTION_ENDED'].includes(error.code ?? ''),
      )
      assert.equal(await count(), 1)
    } finally {
      await orm.close()
    }
  })
})

describe('Sequelize: the transaction of a CLS namespace is passed by name', { skip: skipWithout('postgres') }, () => {
  const { broadcaster, count } = onPlace('postgres')

  test('and there is none outside', async () => {
    // A class of its own: `useCLS` is for all of its instances.
    const { Sequelize } = await import('sequelize')
    const storage = new AsyncLocalStorage<Map<string, unknown>>()
    const namespace = {
      get: (name: string) => storage.getStore()?.get(name),
      set: (name: string, value: unknown) => storage.getStore()?.set(name, value),
      run: (work: () => void) => storage.run(new Map(storage.getStore()), work),
      bind: <Work>(work: Work) => work,
    }
    Sequelize.useCLS(namespace)
    const sequelize = new Sequelize(servers.postgres()?.url ?? '', { logging: false })
    try {
      const { publish } = bound(broadcaster(sequelizeTransaction({ dialect: 'postgres' })))
      const ambient = () => namespace.get('transaction') as Parameters<typeof publish>[0]
      await sequelize.transaction(async () => {
        await publish(ambient(), EVENT)
      })
      assert.equal(await count(), 1)
      await assert.rejects(
        sequelize.transaction(async () => {
          await publish(ambient(), EVENT)
          throw new Error('rolled back')
        }),
        /rolled back/,
      )
      await assert.rejects(publish(ambient(), EVENT), { code: 'NOT_A_TRANSACTION' })
      assert.equal(await count(), 1)
    } finally {
      await sequelize.close()
    }
  })
})

describe('any library: an AsyncLocalStorage of the application holds the transaction', () => {
  const { place, broadcaster, count } = onPlace('pglite')

  test('and there is none outside', async () => {
    const { pglite } = place()
    assert.ok(pglite)
    const db = drizzle(pglite)
    type Tx = Parameters<Parameters<typeof db.transaction>[0]>[0]
    const current = new AsyncLocalStorage<Tx>()
    const transaction = <T>(work: () => Promise<T>): Promise<T> => db.transaction((tx) => current.run(tx, work))
    const tx = (): Tx => {
      const open = current.getStore()
      if (!open) throw new Error('no transaction here')
      return open
    }
    const { publish } = bound(broadcaster(drizzleTransaction({ dialect: 'postgres' })))
    await transaction(() => publish(tx(), EVENT))
    assert.equal(await count(), 1)
    assert.throws(() => publish(tx(), EVENT), /no transaction here/)
    // What goes on after the end still sees it, and is refused.
    let late: Promise<unknown> | undefined
    await transaction(async () => {
      late = wait(20).then(() => publish(tx(), EVENT))
      late.catch(() => undefined)
    })
    await assert.rejects(async () => late, { code: 'TRANSACTION_ENDED' })
    assert.equal(await count(), 1)
  })
})

describe('Prisma', () => {
  const { place, broadcaster, count } = onPlace('sqlite')

  test('a transaction that took longer than Prisma allows has ended', async () => {
    const prisma = new PrismaClient({ adapter: new PrismaLibSql({ url: `file:${place().path}` }) })
    const { publish } = bound(broadcaster(prismaTransaction({ dialect: 'sqlite' })))
    let late: unknown
    try {
      await prisma
        .$transaction(
          async (tx) => {
            for (const end = Date.now() + 30_000; late === undefined && Date.now() < end; ) {
              await publish(tx, EVENT).catch((error: unknown) => {
                late = error
              })
              await wait(20)
            }
          },
          { timeout: 50 },
        )
        .catch(() => undefined)
      assert.equal((late as { readonly code?: string }).code, 'TRANSACTION_ENDED')
      assert.equal(await count(), 0)
    } finally {
      await prisma.$disconnect()
    }
  })
})

function bound<Tx>(broadcaster: Broadcaster<unknown, Tx>) {
  return { publish: (tx: Tx, event: typeof EVENT) => broadcaster.publish(tx, event) }
}
