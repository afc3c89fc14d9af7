/**
 * Compiled, never run: what of each ORM and query builder fits its transaction adapter. A line after `@ts-expect-error`
 * must not compile.
 */
import type { Client as LibsqlClient } from '@libsql/client'
import type { MikroORM } from '@mikro-orm/postgresql'
import type { Database } from 'better-sqlite3'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { LibSQLDatabase } from 'drizzle-orm/libsql'
import type { MySql2Database } from 'drizzle-orm/mysql2'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { PgliteDatabase } from 'drizzle-orm/pglite'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type { Knex } from 'knex'
import type { Kysely } from 'kysely'
import type { Connection, Pool as Mysql2Pool, PoolConnection } from 'mysql2/promise'
import type { ReservedSql, Sql } from 'postgres'
import type { Sequelize } from 'sequelize'
import type { DataSource, QueryRunner, Repository } from 'typeorm'
import type { PrismaClient as PrismaSqlite } from '../../examples/prisma/client/client.ts'
import { mysql2Transaction } from '../../src/store/mysql/mysql2-transaction.ts'
import { postgresJsTransaction } from '../../src/store/postgres/postgres-js-transaction.ts'
import { libsqlTransaction } from '../../src/store/sqlite/libsql-transaction.ts'
import { betterSqlite3Transaction } from '../../src/store/sqlite/sync-transaction.ts'
import { drizzleTransaction } from '../../src/transactions/drizzle.ts'
import { knexTransaction } from '../../src/transactions/knex.ts'
import { kyselyTransaction } from '../../src/transactions/kysely.ts'
import { mikroOrmTransaction } from '../../src/transactions/mikro-orm.ts'
import { prismaTransaction } from '../../src/transactions/prisma.ts'
import { sequelizeTransaction } from '../../src/transactions/sequelize.ts'
import { typeormTransaction } from '../../src/transactions/typeorm.ts'
import type { PrismaClient } from '../support/prisma/postgres/client.ts'

type Schema = { readonly orders: { readonly id: string } }

export async function postgresJs(sql: Sql, reserved: ReservedSql): Promise<void> {
  const adapter = postgresJsTransaction()
  await sql.begin(async (tx) => {
    adapter.check(tx)
    await tx.savepoint(async (inner) => adapter.check(inner))
  })
  // @ts-expect-error the pool is no transaction
  adapter.check(sql)
  // @ts-expect-error neither is a connection of its own
  adapter.check(reserved)
}

export async function drizzlePostgres(
  nodePostgres: NodePgDatabase<Schema>,
  postgresJs: PostgresJsDatabase,
  pglite: PgliteDatabase,
): Promise<void> {
  const adapter = drizzleTransaction({ dialect: 'postgres' })
  await nodePostgres.transaction(async (tx) => {
    adapter.check(tx)
    await tx.transaction(async (inner) => adapter.check(inner))
  })
  await postgresJs.transaction(async (tx) => adapter.check(tx))
  await pglite.transaction(async (tx) => adapter.check(tx))
  // @ts-expect-error the database is no transaction
  adapter.check(nodePostgres)
  // @ts-expect-error
  adapter.check(postgresJs)
  // @ts-expect-error
  adapter.check(pglite)
  // @ts-expect-error it speaks PostgreSQL
  await pglite.transaction(async (tx) => drizzleTransaction({ dialect: 'sqlite' }).check(tx))
}

export async function drizzleSqlite(
  betterSqlite3: BetterSQLite3Database<Schema>,
  libsql: LibSQLDatabase,
): Promise<void> {
  const adapter = drizzleTransaction({ dialect: 'sqlite' })
  betterSqlite3.transaction((tx) => {
    adapter.check(tx)
    tx.transaction((inner) => adapter.check(inner))
  })
  await libsql.transaction(async (tx) => adapter.check(tx))
  // @ts-expect-error the database is no transaction
  adapter.check(betterSqlite3)
  // @ts-expect-error
  adapter.check(libsql)
  // @ts-expect-error it speaks SQLite
  await libsql.transaction(async (tx) => drizzleTransaction({ dialect: 'postgres' }).check(tx))
}

export async function drizzleMysql(mysql2: MySql2Database): Promise<void> {
  const adapter = drizzleTransaction({ dialect: 'mysql' })
  await mysql2.transaction(async (tx) => {
    adapter.check(tx)
    await tx.transaction(async (inner) => adapter.check(inner))
  })
  // @ts-expect-error the database is no transaction
  adapter.check(mysql2)
}

export function mysql2(connection: Connection, pooled: PoolConnection, pool: Mysql2Pool): void {
  const adapter = mysql2Transaction()
  adapter.check(connection)
  adapter.check(pooled)
  // @ts-expect-error a pool is no transaction
  adapter.check(pool)
}

export async function prisma(client: PrismaClient, sqlite: PrismaSqlite): Promise<void> {
  const adapter = prismaTransaction({ dialect: 'postgres' })
  await client.$transaction(async (tx) => {
    adapter.check(tx)
    await tx.$transaction(async (inner) => adapter.check(inner))
  })
  await sqlite.$transaction(async (tx) => prismaTransaction({ dialect: 'sqlite' }).check(tx))
  const extended = client.$extends({ client: { hello: () => 'world' } })
  await extended.$transaction(async (tx) => adapter.check(tx))
  // @ts-expect-error the client is no transaction
  adapter.check(client)
  // @ts-expect-error
  adapter.check(sqlite)
  // @ts-expect-error
  adapter.check(extended)
}

export async function kysely(db: Kysely<Schema>): Promise<void> {
  const adapter = kyselyTransaction({ dialect: 'sqlite' })
  await db.transaction().execute(async (tx) => adapter.check(tx))
  const controlled = await db.startTransaction().execute()
  adapter.check(controlled)
  // @ts-expect-error the instance is no transaction
  adapter.check(db)
  // @ts-expect-error neither is a connection of its own
  await db.connection().execute(async (connection) => adapter.check(connection))
}

export async function knex(instance: Knex): Promise<void> {
  const adapter = knexTransaction({ dialect: 'postgres' })
  await instance.transaction(async (trx) => {
    adapter.check(trx)
    await trx.transaction(async (inner) => adapter.check(inner))
  })
  // @ts-expect-error the instance is no transaction
  adapter.check(instance)
  // @ts-expect-error neither is what makes one
  adapter.check(instance.transactionProvider())
}

export async function typeorm(source: DataSource, runner: QueryRunner, repository: Repository<Schema>): Promise<void> {
  const adapter = typeormTransaction({ dialect: 'postgres' })
  await source.transaction(async (manager) => {
    adapter.check(manager)
    await manager.transaction(async (inner) => adapter.check(inner))
  })
  adapter.check(runner)
  // @ts-expect-error the source is no transaction
  adapter.check(source)
  // @ts-expect-error neither is a repository
  adapter.check(repository)
}

export async function mikroOrm(orm: MikroORM): Promise<void> {
  const adapter = mikroOrmTransaction({ dialect: 'postgres' })
  await orm.em.transactional(async (em) => adapter.check(em))
  // @ts-expect-error the ORM is no transaction
  adapter.check(orm)
}

export async function sequelize(instance: Sequelize): Promise<void> {
  const adapter = sequelizeTransaction({ dialect: 'postgres' })
  await instance.transaction(async (transaction) => {
    adapter.check(transaction)
    await instance.transaction({ transaction }, async (inner) => adapter.check(inner))
  })
  // @ts-expect-error the instance is no transaction
  adapter.check(instance)
}

export async function libsql(client: LibsqlClient): Promise<void> {
  const adapter = libsqlTransaction()
  adapter.check(await client.transaction('write'))
  // @ts-expect-error the client is no transaction
  adapter.check(client)
}

export function betterSqlite3(database: Database, drizzle: BetterSQLite3Database): void {
  // The database stands for its transaction: whether there is one is seen at run time only.
  betterSqlite3Transaction().check(database)
  // @ts-expect-error another library's database
  betterSqlite3Transaction().check(drizzle)
}

// @ts-expect-error the dialect has no default
drizzleTransaction()
// @ts-expect-error nor is there any other
knexTransaction({ dialect: 'oracle' })
