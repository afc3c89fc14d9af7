import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { MikroORM } from '@mikro-orm/postgresql'
import { PrismaPg } from '@prisma/adapter-pg'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import knexLibrary from 'knex'
import { Kysely, sql as kyselySql, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import postgresJs from 'postgres'
import { Sequelize } from 'sequelize'
import {
  Broadcaster,
  Consumer,
  type HandlingOptions,
  type RunInTransaction,
  type Store,
  type TransactionAdapter,
} from 'ts-broadcaster'
import { drizzleTransaction } from 'ts-broadcaster/drizzle'
import { knexTransaction } from 'ts-broadcaster/knex'
import { kyselyTransaction } from 'ts-broadcaster/kysely'
import { memoryBackend } from 'ts-broadcaster/memory'
import { mikroOrmTransaction } from 'ts-broadcaster/mikro-orm'
import { pgTransaction, postgres, postgresJsTransaction } from 'ts-broadcaster/postgres'
import { prismaTransaction } from 'ts-broadcaster/prisma'
import { sequelizeTransaction } from 'ts-broadcaster/sequelize'
import { typeormTransaction } from 'ts-broadcaster/typeorm'
import { webhookReceiver } from 'ts-broadcaster/webhook'
import { DataSource } from 'typeorm'
import { runCli } from '../../src/cli/run.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import { root } from '../project/source-files.ts'
import { openPlace } from '../store/postgres-place.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { PrismaClient } from '../support/prisma/postgres/client.ts'
import { servers, skipWithout } from '../support/servers.ts'

/** An application on one library: how it runs transactions, and a statement on one. */
interface Application<Tx> {
  readonly adapter: TransactionAdapter<NoInfer<Tx>>
  readonly transaction: RunInTransaction<Tx>
  insert(tx: Tx, id: string): PromiseLike<unknown>
  close(): Promise<unknown>
}

/** `Tx` is learnt from `transaction`, as it is in a `Consumer`. */
function application<Tx>(parts: Application<Tx>): Application<unknown> {
  return parts as Application<unknown>
}

const url = servers.postgres()?.url ?? ''

/** Each library as its page shows it, on the table `orders` of this schema. */
const LIBRARIES: Readonly<Record<string, (orders: string) => Application<unknown> | Promise<Application<unknown>>>> = {
  pg(orders) {
    const pool = new Pool({ connectionString: url, max: 2 })
    return application({
      adapter: pgTransaction(),
      async transaction(work) {
        const client = await pool.connect()
        try {
          await client.query('BEGIN')
          const result = await work(client)
          await client.query('COMMIT')
          return result
        } catch (error) {
          await client.query('ROLLBACK')
          throw error
        } finally {
          client.release()
        }
      },
      insert: (tx, id) => tx.query({ text: `INSERT INTO ${orders} VALUES ($1)`, values: [id] }),
      close: () => pool.end(),
    })
  },
  drizzle(orders) {
    const pool = new Pool({ connectionString: url, max: 2 })
    const db = drizzle(pool)
    return application({
      adapter: drizzleTransaction({ dialect: 'postgres' }),
      transaction: (work) => db.transaction(work),
      insert: (tx, id) => tx.execute(drizzleSql`INSERT INTO ${drizzleSql.raw(orders)} VALUES (${id})`),
      close: () => pool.end(),
    })
  },
  prisma(orders) {
    const client = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 2 }) })
    return application({
      adapter: prismaTransaction({ dialect: 'postgres' }),
      transaction: (work) => client.$transaction(work),
      insert: (tx, id) => tx.$executeRawUnsafe(`INSERT INTO ${orders} VALUES ($1)`, id),
      close: () => client.$disconnect(),
    })
  },
  kysely(orders) {
    const db = new Kysely({ dialect: new PostgresDialect({ pool: new Pool({ connectionString: url, max: 2 }) }) })
    return application({
      adapter: kyselyTransaction({ dialect: 'postgres' }),
      transaction: (work) => db.transaction().execute(work),
      insert: (tx, id) => kyselySql`INSERT INTO ${kyselySql.raw(orders)} VALUES (${id})`.execute(tx),
      close: () => db.destroy(),
    })
  },
  knex(orders) {
    const knex = knexLibrary({ client: 'pg', connection: url, pool: { min: 0, max: 2 } })
    return application({
      adapter: knexTransaction({ dialect: 'postgres' }),
      transaction: (work) => knex.transaction(work),
      insert: (tx, id) => tx.raw(`INSERT INTO ${orders} VALUES (?)`, [id]),
      close: () => knex.destroy(),
    })
  },
  async typeorm(orders) {
    const dataSource = await new DataSource({ type: 'postgres', url, poolSize: 2 }).initialize()
    return application({
      adapter: typeormTransaction({ dialect: 'postgres' }),
      transaction: (work) => dataSource.transaction(work),
      insert: (tx, id) => tx.query(`INSERT INTO ${orders} VALUES ($1)`, [id]),
      close: () => dataSource.destroy(),
    })
  },
  async 'mikro-orm'(orders) {
    const orm = await MikroORM.init({
      clientUrl: url,
      entities: [],
      discovery: { warnWhenNoEntities: false },
      allowGlobalContext: true,
    })
    return application({
      adapter: mikroOrmTransaction({ dialect: 'postgres' }),
      transaction: (work) => orm.em.fork().transactional(work),
      insert: (tx, id) => tx.execute(`INSERT INTO ${orders} VALUES (?)`, [id]),
      close: () => orm.close(true),
    })
  },
  sequelize(orders) {
    const sequelize = new Sequelize(url, { logging: false, pool: { max: 2 } })
    return application({
      adapter: sequelizeTransaction({ dialect: 'postgres' }),
      transaction: (work) => sequelize.transaction(work),
      insert: (tx, id) => sequelize.query(`INSERT INTO ${orders} VALUES ($1)`, { bind: [id], transaction: tx }),
      close: () => sequelize.close(),
    })
  },
  'postgres.js'(orders) {
    const sql = postgresJs(url, { max: 2 })
    return application({
      adapter: postgresJsTransaction(),
      transaction: (work) => sql.begin(work),
      insert: (tx, id) => tx.unsafe(`INSERT INTO ${orders} VALUES ($1)`, [id]),
      close: () => sql.end(),
    })
  },
}

for (const [library, open] of Object.entries(LIBRARIES)) {
  describe(`${library}: publish, Consumer and webhook receiver`, { skip: skipWithout('postgres') }, () => {
    let app: Application<unknown>
    let place: ReturnType<typeof openPlace>
    let broadcaster: Broadcaster<unknown, unknown>
    const backend = memoryBackend()

    before(async () => {
      place = openPlace(url, 3)
      const store = postgres({ pool: place.pool, schema: place.schema }) as Store
      await store.schema.migrate()
      await place.pool.query(`CREATE TABLE ${place.schema}.orders (id text PRIMARY KEY)`)
      app = await open(`${place.schema}.orders`)
      broadcaster = new Broadcaster({ store, transaction: app.adapter, backends: { default: backend } })
    })
    after(async () => {
      await broadcaster?.close()
      await app?.close()
      await place?.close()
    })

    const orders = async (): Promise<readonly string[]> =>
      (await place.pool.query(`SELECT id FROM ${place.schema}.orders ORDER BY id`)).rows.map(({ id }) => id)
    /** Fails after its effect the first time. */
    const handling = (): HandlingOptions<unknown> => {
      let calls = 0
      return {
        name: 'billing',
        inbox: broadcaster.inbox,
        transaction: app.transaction,
        handlers: {
          'order.*': async ({ id }, { tx }) => {
            await app.insert(tx, id)
            await broadcaster.publish(tx, { type: 'invoice.sent', source: '/billing', id: `invoice-${id}` })
            if (++calls === 1) throw new Error('once more')
          },
        },
      }
    }

    test('the consumer handles an event once, in a transaction of the library', async () => {
      const subscription = memorySubscription()
      const consumer = new Consumer({ ...handling(), subscription, retry: { base: 1, jitter: 'none' } })
      await consumer.start()
      const event = { specversion: '1.0', id: 'consumed', source: '/orders', type: 'order.created' } as const
      subscription.deliver(event)
      subscription.deliver(event)
      await subscription.settled()
      await consumer.stop()
      assert.deepEqual(await orders(), ['consumed'])
      assert.equal(await broadcaster.events.filter({ eventId: 'invoice-consumed' }).count(), 1)
    })

    test('the webhook receiver does, too', async () => {
      const receive = webhookReceiver({ ...handling(), keys: false })
      const post = async (): Promise<number> => {
        const body = JSON.stringify({ specversion: '1.0', id: 'posted', source: '/orders', type: 'order.created' })
        const headers = { 'content-type': 'application/cloudevents+json' }
        return (await receive(new Request('https://billing.example/', { method: 'POST', body, headers }))).status
      }
      assert.deepEqual([await post(), await post(), await post()], [500, 204, 204])
      assert.ok((await orders()).includes('posted'))
      assert.equal(await broadcaster.events.filter({ eventId: 'invoice-posted' }).count(), 1)
    })

    test('events.create and the command publish use a transaction of the store', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'broadcaster-orm-'))
      try {
        assert.equal((await broadcaster.events.create({ type: 'order.created', source: '/orders' })).status, 'pending')
        const driver = library === 'pg' || library === 'postgres.js'
        const entry = `${root}/src/${driver ? 'postgres' : library}.ts`
        const factory = app.adapter.name.replace(/[-. ](.)/g, (_all, letter: string) => letter.toUpperCase())
        writeFileSync(
          join(folder, 'broadcaster.config.mjs'),
          `import { postgres } from '${root}/src/store/postgres/postgres.ts'
           import { memoryBackend } from '${root}/src/backend/memory/memory-backend.ts'
           import * as adapter from '${entry}'
           export default {
             store: postgres({ url: ${JSON.stringify(url)}, schema: '${place.schema}' }),
             transaction: adapter.${factory}Transaction({ dialect: 'postgres' }),
             backends: { default: memoryBackend() },
           }`,
        )
        const terminal = new FakeTerminal(folder, {})
        const code = await runCli(['publish', 'order.created', '--source', '/cli', '--json'], terminal, '')
        assert.equal(code, 0, terminal.warnings)
        assert.equal(await broadcaster.events.filter({ source: '/cli' }).count(), 1)
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  })
}
