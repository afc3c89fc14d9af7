import { defineEntity, p } from '@mikro-orm/core'
import { MikroORM as OnMariadb } from '@mikro-orm/mariadb'
import { MikroORM as OnMysql } from '@mikro-orm/mysql'
import { MikroORM as OnPostgres } from '@mikro-orm/postgresql'
import type { SqlEntityManager } from '@mikro-orm/sql'
import { MikroORM as OnSqlite } from '@mikro-orm/sqlite'
import { mikroOrmTransaction } from '../../../../src/transactions/mikro-orm.ts'
import type { SqlDialect } from '../../../../src/transactions/sql-dialect.ts'
import { type Cell, type OpenCell, type Scope, walk } from '../cell.ts'

const Order = defineEntity({ name: 'Order', tableName: 'orders', properties: { id: p.string().primary() } })
const ENTITIES = { entities: [Order], connect: false }

interface Orm {
  readonly em: unknown
  close(): Promise<void>
}

function cellOf(dialect: SqlDialect, orm: Orm): Cell {
  // Its type names the driver; what it is at run time is this.
  const root = orm.em as SqlEntityManager
  const scopeOf = (em: SqlEntityManager): Scope => ({
    tx: em,
    exec: (sql) => em.execute(sql),
    nest: (work) => em.transactional((inner) => walk(work(scopeOf(inner)))),
  })
  return {
    adapter: mikroOrmTransaction({ dialect }),
    refused: { 'the ORM': orm, 'its own EntityManager': root, 'a fork without a transaction': root.fork() },
    transact: (work) => root.fork().transactional((em) => walk(work(scopeOf(em)))),
    close: () => orm.close(),
  }
}

export const postgres: OpenCell = async ({ url }) =>
  cellOf('postgres', await OnPostgres.init({ ...ENTITIES, clientUrl: url, pool: { max: 2 } }))

export const sqlite: OpenCell = async ({ path }) => cellOf('sqlite', await OnSqlite.init({ ...ENTITIES, dbName: path }))

export const mariadb: OpenCell = async ({ url }) =>
  cellOf('mysql', await OnMariadb.init({ ...ENTITIES, clientUrl: url, pool: { max: 2 } }))

export const mysql: OpenCell = async ({ url }) =>
  cellOf('mysql', await OnMysql.init({ ...ENTITIES, clientUrl: url, pool: { max: 2 } }))
