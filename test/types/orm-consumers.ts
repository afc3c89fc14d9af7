/**
 * Compiled, never run: with each ORM and query builder the handlers of a `Consumer` and of a webhook receiver get the
 * library's own transaction, without being told its type.
 */
import type { Client as LibsqlClient } from '@libsql/client'
import type { MikroORM } from '@mikro-orm/postgresql'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { pgTable, text } from 'drizzle-orm/pg-core'
import type { Knex } from 'knex'
import type { Kysely } from 'kysely'
import type { Pool as Mysql2Pool } from 'mysql2/promise'
import type { Pool } from 'pg'
import type { Sql } from 'postgres'
import { QueryTypes, type Sequelize } from 'sequelize'
import { Broadcaster, Consumer, Inbox, type Store, type Subscription } from 'ts-broadcaster'
import { drizzleTransaction } from 'ts-broadcaster/drizzle'
import { knexTransaction } from 'ts-broadcaster/knex'
import { kyselyTransaction } from 'ts-broadcaster/kysely'
import { mikroOrmTransaction } from 'ts-broadcaster/mikro-orm'
import { mysql2Transaction } from 'ts-broadcaster/mysql'
import { pgTransaction, postgresJsTransaction } from 'ts-broadcaster/postgres'
import { prismaTransaction } from 'ts-broadcaster/prisma'
import { sequelizeTransaction } from 'ts-broadcaster/sequelize'
import { libsqlTransaction } from 'ts-broadcaster/sqlite'
import { typeormTransaction } from 'ts-broadcaster/typeorm'
import { webhookReceiver } from 'ts-broadcaster/webhook'
import type { DataSource } from 'typeorm'
import { z } from 'zod'
import type { Backend } from '../../src/backend/backend.ts'
import type { PrismaClient } from '../support/prisma/postgres/client.ts'

declare const store: Store
declare const subscription: Subscription
declare const backends: { readonly default: Backend }

const orders = pgTable('orders', { id: text('id') })
const events = { 'order.created': z.object({ total: z.number() }) }
const name = 'billing'

export function drizzle(db: NodePgDatabase): void {
  const { inbox } = new Broadcaster({ store, transaction: drizzleTransaction({ dialect: 'postgres' }), backends })
  new Consumer({
    name,
    subscription,
    inbox,
    transaction: (work) => db.transaction(work),
    handlers: { 'order.*': async (event, { tx }) => void (await tx.insert(orders).values({ id: event.id })) },
  })
  webhookReceiver({
    name,
    keys: false,
    inbox: new Inbox({ store, transaction: drizzleTransaction({ dialect: 'postgres' }) }),
    transaction: (work) => db.transaction(work),
    events,
    handlers: {
      'order.created': async (event, { tx }) => {
        await tx.insert(orders).values({ id: event.data.total.toFixed() })
        // @ts-expect-error its schema has no such member
        event.data.amount
        // @ts-expect-error the library's own type, which has no such method
        tx.insertInto('orders')
      },
    },
  })
}

export function prisma(client: PrismaClient): void {
  const { inbox } = new Broadcaster({ store, transaction: prismaTransaction({ dialect: 'postgres' }), backends })
  new Consumer({
    name,
    subscription,
    inbox,
    transaction: (work) => client.$transaction(work),
    handlers: { '*': async (event, { tx }) => void (await tx.order.create({ data: { id: event.id } })) },
  })
  webhookReceiver({
    name,
    keys: false,
    inbox,
    transaction: (work) => client.$transaction(work),
    handlers: { '*': async (event, { tx }) => void (await tx.order.create({ data: { id: event.id } })) },
  })
}

export function kysely(db: Kysely<{ orders: { id: string } }>): void {
  const { inbox } = new Broadcaster({ store, transaction: kyselyTransaction({ dialect: 'postgres' }), backends })
  new Consumer({
    name,
    subscription,
    inbox,
    transaction: (work) => db.transaction().execute(work),
    handlers: { '*': async ({ id }, { tx }) => void (await tx.insertInto('orders').values({ id }).execute()) },
  })
  webhookReceiver({
    name,
    keys: false,
    inbox,
    transaction: (work) => db.transaction().execute(work),
    handlers: { '*': async ({ id }, { tx }) => void (await tx.insertInto('orders').values({ id }).execute()) },
  })
}

export function knex(db: Knex): void {
  const { inbox } = new Broadcaster({ store, transaction: knexTransaction({ dialect: 'postgres' }), backends })
  new Consumer({
    name,
    subscription,
    inbox,
    transaction: (work) => db.transaction(work),
    handlers: { '*': async ({ id }, { tx }) => void (await tx('orders').insert({ id })) },
  })
  webhookReceiver({
    name,
    keys: false,
    inbox,
    transaction: (work) => db.transaction(work),
    handlers: { '*': async ({ id }, { tx }) => void (await tx('orders').insert({ id })) },
  })
}

export function typeorm(dataSource: DataSource): void {
  const { inbox } = new Broadcaster({ store, transaction: typeormTransaction({ dialect: 'postgres' }), backends })
  new Consumer({
    name,
    subscription,
    inbox,
    transaction: (work) => dataSource.transaction(work),
    handlers: { '*': async ({ id }, { tx }) => void (await tx.getRepository('orders').insert({ id })) },
  })
  webhookReceiver({
    name,
    keys: false,
    inbox,
    transaction: (work) => dataSource.transaction(work),
    handlers: { '*': async ({ id }, { tx }) => void (await tx.getRepository('orders').insert({ id })) },
  })
}

export function mikroOrm({ em }: MikroORM): void {
  const { inbox } = new Broadcaster({ store, transaction: mikroOrmTransaction({ dialect: 'postgres' }), backends })
  new Consumer({
    name,
    subscription,
    inbox,
    transaction: (work) => em.transactional(work),
    handlers: { '*': async ({ id }, { tx }) => void (await tx.execute('SELECT ?', [id])) },
  })
  webhookReceiver({
    name,
    keys: false,
    inbox,
    transaction: (work) => em.transactional(work),
    handlers: { '*': async ({ id }, { tx }) => void (await tx.execute('SELECT ?', [id])) },
  })
}

export function sequelize(db: Sequelize): void {
  const { inbox } = new Broadcaster({ store, transaction: sequelizeTransaction({ dialect: 'postgres' }), backends })
  new Consumer({
    name,
    subscription,
    inbox,
    transaction: (work) => db.transaction(work),
    handlers: { '*': (_event, { tx }) => db.query('SELECT 1', { type: QueryTypes.SELECT, transaction: tx }) },
  })
  webhookReceiver({
    name,
    keys: false,
    inbox,
    transaction: (work) => db.transaction(work),
    handlers: { '*': (_event, { tx }) => db.query('SELECT 1', { type: QueryTypes.SELECT, transaction: tx }) },
  })
}

export function postgresJs(sql: Sql): void {
  const { inbox } = new Broadcaster({ store, transaction: postgresJsTransaction(), backends })
  new Consumer({
    name,
    subscription,
    inbox,
    transaction: (work) => sql.begin(work),
    handlers: { '*': async ({ id }, { tx }) => void (await tx`INSERT INTO orders VALUES (${id})`) },
  })
}

/** Libraries without a function that runs work in a transaction: one of your own, whose type says what it gives. */
export function byHand(pool: Pool, mysql: Mysql2Pool, libsql: LibsqlClient): void {
  new Consumer({
    name,
    subscription,
    inbox: new Inbox({ store, transaction: pgTransaction() }),
    async transaction(work) {
      const client = await pool.connect()
      await client.query('BEGIN')
      const result = await work(client)
      await client.query('COMMIT')
      client.release()
      return result
    },
    handlers: { '*': ({ id }, { tx }) => tx.query('INSERT INTO orders VALUES ($1)', [id]) },
  })
  new Consumer({
    name,
    subscription,
    inbox: new Inbox({ store, transaction: mysql2Transaction() }),
    async transaction(work) {
      const connection = await mysql.getConnection()
      await connection.beginTransaction()
      const result = await work(connection)
      await connection.commit()
      return result
    },
    handlers: { '*': ({ id }, { tx }) => tx.execute('INSERT INTO orders VALUES (?)', [id]) },
  })
  new Consumer({
    name,
    subscription,
    inbox: new Inbox({ store, transaction: libsqlTransaction() }),
    async transaction(work) {
      const tx = await libsql.transaction('write')
      const result = await work(tx)
      await tx.commit()
      return result
    },
    handlers: { '*': ({ id }, { tx }) => tx.execute({ sql: 'INSERT INTO orders VALUES (?)', args: [id] }) },
  })
}
