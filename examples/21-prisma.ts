/**
 * Prisma 7 on SQLite: the order and its event in one interactive transaction. `prisma/schema.prisma` is the schema,
 * `prisma/client` what `prisma generate` made of it.
 *
 *     npm install @prisma/client @prisma/adapter-libsql && npm install --save-dev prisma
 *     npx prisma generate --schema prisma/schema.prisma
 *     node 21-prisma.ts
 */
import { PrismaLibSql } from '@prisma/adapter-libsql'
import { Broadcaster } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { prismaTransaction } from 'ts-broadcaster/prisma'
import { sqlite } from 'ts-broadcaster/sqlite'
import { PrismaClient } from './prisma/client/client.ts'

const prisma = new PrismaClient({ adapter: new PrismaLibSql({ url: 'file:shop.db' }) })

const registry = new HandlerRegistry()
registry.on('order.*', (event) => console.log(event.type, event.data), { name: 'log' })
const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  transaction: prismaTransaction({ dialect: 'sqlite' }),
  backends: { local: handlers(registry) },
})
await broadcaster.store.schema.migrate()
await prisma.$executeRaw`CREATE TABLE orders (id TEXT PRIMARY KEY NOT NULL)`

async function placeOrder(id: string, cardDeclined = false): Promise<void> {
  await prisma.$transaction(async (tx) => {
    await tx.order.create({ data: { id } })
    await broadcaster.publish(tx, { type: 'order.placed', source: '/shop', data: { id }, partitionKey: id })
    await tx
      .$transaction(async (inner) => {
        await broadcaster.publish(inner, { type: 'order.gift', source: '/shop', data: { id } })
        throw new Error('no gift wrap left')
      })
      .catch((error: Error) => console.log(`${id}: ${error.message}`))
    if (cardDeclined) throw new Error('card declined')
  })
}

await placeOrder('a')
await placeOrder('b', true).catch((error: Error) => console.log(`b: ${error.message}`))

await broadcaster.processPendingEvents()
console.log(await prisma.order.findMany())
await broadcaster.close()
await prisma.$disconnect()
