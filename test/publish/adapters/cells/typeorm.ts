import { DataSource, type DataSourceOptions, type EntityManager, type QueryRunner } from 'typeorm'
import type { SqlDialect } from '../../../../src/publish/transactions/sql-dialect.ts'
import { typeormTransaction } from '../../../../src/publish/transactions/typeorm.ts'
import { type Cell, type OpenCell, type Place, type Scope, walk } from '../cell.ts'

const OPTIONS: Readonly<Record<string, (place: Place) => DataSourceOptions>> = {
  postgres: ({ url }) => ({ type: 'postgres', url, poolSize: 2 }),
  mysql: ({ url }) => ({ type: 'mariadb', url, poolSize: 2 }),
  sqlite: ({ path }) => ({ type: 'better-sqlite3', database: path }),
}

async function open(dialect: SqlDialect, place: Place) {
  const options = OPTIONS[dialect]
  if (!options) throw new Error(`no ${dialect}`)
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
export function manager(dialect: SqlDialect): OpenCell {
  return async (place): Promise<Cell> => {
    const { source, base } = await open(dialect, place)
    const scopeOf = (tx: EntityManager): Scope => ({
      tx,
      exec: (sql) => tx.query(sql),
      nest: (work) => tx.transaction((inner) => walk(work(scopeOf(inner)))),
    })
    return { ...base, transact: (work) => source.transaction((tx) => walk(work(scopeOf(tx)))) }
  }
}

/** `queryRunner.startTransaction()`. */
export function queryRunner(dialect: SqlDialect): OpenCell {
  return async (place): Promise<Cell> => {
    const { source, base } = await open(dialect, place)
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
