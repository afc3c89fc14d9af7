import { DataSource, type DataSourceOptions, type EntityManager, type QueryRunner } from 'typeorm'
import type { SqlDialect } from '../../../../src/transactions/sql-dialect.ts'
import { typeormTransaction } from '../../../../src/transactions/typeorm.ts'
import { type Cell, type OpenCell, type Place, type Scope, walk } from '../cell.ts'

interface Driver {
  readonly dialect: SqlDialect
  options(place: Place): DataSourceOptions
}

const DRIVERS = {
  postgres: { dialect: 'postgres', options: ({ url }) => ({ type: 'postgres', url, poolSize: 2 }) },
  mariadb: { dialect: 'mysql', options: ({ url }) => ({ type: 'mariadb', url, poolSize: 2 }) },
  mysql: { dialect: 'mysql', options: ({ url }) => ({ type: 'mysql', url, poolSize: 2 }) },
  sqlite: { dialect: 'sqlite', options: ({ path }) => ({ type: 'better-sqlite3', database: path }) },
} as const satisfies Readonly<Record<string, Driver>>

type DriverName = keyof typeof DRIVERS

async function open(name: DriverName, place: Place) {
  const { dialect, options }: Driver = DRIVERS[name]
  const source = await new DataSource(options(place)).initialize()
  // With SQLite there is one for all.
  const idle = dialect === 'sqlite' ? undefined : source.createQueryRunner()
  const base = {
    adapter: typeormTransaction({ dialect }),
    refused: {
      'the data source': source,
      'its own manager': source.manager,
      'a query runner without a transaction': idle,
    },
    async close() {
      await idle?.release()
      await source.destroy()
    },
  }
  return { source, base }
}

/** `dataSource.transaction()`. */
export function manager(name: DriverName): OpenCell {
  return async (place): Promise<Cell> => {
    const { source, base } = await open(name, place)
    const scopeOf = (tx: EntityManager): Scope => ({
      tx,
      exec: (sql) => tx.query(sql),
      nest: (work) => tx.transaction((inner) => walk(work(scopeOf(inner)))),
    })
    return { ...base, transact: (work) => source.transaction((tx) => walk(work(scopeOf(tx)))) }
  }
}

/** `queryRunner.startTransaction()`. */
export function queryRunner(name: DriverName): OpenCell {
  return async (place): Promise<Cell> => {
    const { source, base } = await open(name, place)
    const inTransaction = async (runner: QueryRunner, work: (scope: Scope) => Promise<void>): Promise<void> => {
      await runner.startTransaction()
      try {
        await work({
          tx: runner,
          exec: (sql) => runner.query(sql),
          nest: (inner) => inTransaction(runner, (scope) => walk(inner(scope))),
        })
      } catch (error) {
        await runner.rollbackTransaction()
        throw error
      }
      await runner.commitTransaction()
    }
    return {
      ...base,
      async transact(work) {
        const runner = source.createQueryRunner()
        try {
          await inTransaction(runner, (scope) => walk(work(scope)))
        } finally {
          await runner.release()
        }
      },
    }
  }
}
