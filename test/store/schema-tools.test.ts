import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { EntitySchema as MikroEntity, MikroORM } from '@mikro-orm/postgresql'
import { Client } from 'pg'
import { DataSource, EntitySchema } from 'typeorm'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { root } from '../project/source-files.ts'
import { servers, skipWithout } from '../support/servers.ts'

/** Tools that make a database look like their models meet an outbox: in a schema of its own it survives them. */

const skip = skipWithout('postgres')
const server = servers.postgres()?.url ?? ''

/** A database of its own, with an outbox in `public` and one in the schema `outbox`. */
async function withOutboxes(
  work: (url: string, tables: () => Promise<Readonly<Record<string, number>>>) => Promise<void>,
) {
  const name = `broadcaster_tools_${randomBytes(6).toString('hex')}`
  const admin = new Client({ connectionString: server })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const client = new Client({ connectionString: url.href })
  try {
    await client.connect()
    for (const schema of [undefined, 'outbox']) {
      const store = postgres({ url: url.href, schema, listen: false })
      await store.schema.migrate()
      await store.close()
    }
    await work(url.href, async () => {
      const { rows } = await client.query<{ schema: string; n: number }>(
        `SELECT schemaname AS schema, count(*)::integer AS n FROM pg_tables WHERE tablename LIKE 'outbox%' GROUP BY 1`,
      )
      return Object.fromEntries(rows.map(({ schema, n }) => [schema, n]))
    })
    // What a tool dropped, `migrate` makes again.
    const store = postgres({ url: url.href, listen: false })
    await store.schema.migrate()
    await store.schema.check()
    await store.close()
  } finally {
    await client.end()
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await admin.end()
  }
}

test(
  'TypeORM: synchronize leaves an outbox alone; dropSchema drops one in public, and not one elsewhere',
  { skip },
  () =>
    withOutboxes(async (url, tables) => {
      const whole = await tables()
      const Order = new EntitySchema({
        name: 'Order',
        tableName: 'orders',
        columns: { id: { type: 'text', primary: true } },
      })
      const options = { type: 'postgres' as const, url, entities: [Order], synchronize: true }
      await (await new DataSource(options).initialize()).destroy()
      assert.deepEqual(await tables(), whole)
      await (await new DataSource({ ...options, dropSchema: true }).initialize()).destroy()
      assert.deepEqual(await tables(), { outbox: whole['outbox'] })
    }),
)

test('MikroORM: schema:update drops an outbox wherever it is, unless its schema is ignored', { skip }, () =>
  withOutboxes(async (url, tables) => {
    const whole = await tables()
    const Order = new MikroEntity({
      name: 'Order',
      tableName: 'orders',
      properties: { id: { type: 'text', primary: true } },
    })
    const update = async (ignoreSchema: string[]): Promise<void> => {
      const orm = await MikroORM.init({ entities: [Order], clientUrl: url, schemaGenerator: { ignoreSchema } })
      try {
        await orm.schema.update()
      } finally {
        await orm.close()
      }
    }
    await update(['outbox', 'public'])
    assert.deepEqual(await tables(), whole)
    await update(['outbox'])
    assert.deepEqual(await tables(), { outbox: whole['outbox'] })
  }),
)

test('the pages of the tools that drop a table which they do not know say so, and what makes it again', () => {
  for (const [page, tool] of [
    ['drizzle', 'drizzle-kit push'],
    ['prisma', 'prisma db push'],
    ['typeorm', 'dropSchema'],
    ['mikro-orm', 'schema:update'],
  ] as const) {
    const text = readFileSync(join(root, `docs/transactions/${page}.md`), 'utf8')
    assert.match(text, new RegExp(`${tool}.{0,20} drops `), page)
    assert.match(text, /`npx broadcaster migrate` makes dropped tables again, without\s+the events/, page)
  }
})
