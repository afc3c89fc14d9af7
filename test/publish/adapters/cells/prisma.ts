import { PrismaLibSql } from '@prisma/adapter-libsql'
import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaPGlite } from 'pglite-prisma-adapter'
import { PrismaClient as OnSqlite } from '../../../../examples/prisma/client/client.ts'
import { prismaTransaction } from '../../../../src/transactions/prisma.ts'
import type { SqlDialect } from '../../../../src/transactions/sql-dialect.ts'
import { PrismaClient as OnMysql } from '../../../support/prisma/mysql/client.ts'
import { PrismaClient as OnPostgres, type Prisma } from '../../../support/prisma/postgres/client.ts'
import { type Cell, type OpenCell, type Scope, savepointScope, walk } from '../cell.ts'

function cellOf(dialect: SqlDialect, client: OnPostgres): Cell {
  const scopeOf = (tx: Prisma.TransactionClient): Scope => ({
    tx,
    exec: (sql) => tx.$executeRawUnsafe(sql),
    nest: (work) => tx.$transaction((inner) => walk(work(scopeOf(inner)))),
  })
  return {
    adapter: prismaTransaction({ dialect }),
    refused: { 'the client': client, 'an extended client': client.$extends({}) },
    transact: (work) => client.$transaction((tx) => walk(work(scopeOf(tx))), { timeout: 30_000 }),
    close: () => client.$disconnect(),
  }
}

export const postgres: OpenCell = async ({ url }) =>
  cellOf('postgres', new OnPostgres({ adapter: new PrismaPg({ connectionString: url, max: 2 }) }))

export const pglite: OpenCell = async ({ pglite: db }) => {
  if (!db) throw new Error('no PGlite')
  const client = new OnPostgres({ adapter: new PrismaPGlite(db) })
  return {
    ...cellOf('postgres', client),
    // The driver adapter knows no nested transactions.
    transact: (work) =>
      client.$transaction((tx) => walk(work(savepointScope(tx, (sql) => tx.$executeRawUnsafe(sql)))), {
        timeout: 30_000,
      }),
  }
}

export const sqlite: OpenCell = async ({ path }) =>
  cellOf('sqlite', new OnSqlite({ adapter: new PrismaLibSql({ url: `file:${path}` }) }) as unknown as OnPostgres)

export const mysql: OpenCell = async ({ url }) => {
  const { hostname: host, port, username: user, password, pathname } = new URL(url)
  const adapter = new PrismaMariaDb({
    host,
    port: Number(port),
    user,
    password,
    database: pathname.slice(1),
    connectionLimit: 2,
  })
  return cellOf('mysql', new OnMysql({ adapter }) as unknown as OnPostgres)
}
