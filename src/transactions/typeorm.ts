import type { Row, Statement } from '../store/statement.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'
import { guarded } from './guarded.ts'
import { describe, hasMethods, isObject, notATransaction, transactionEnded } from './refusal.ts'
import { type DialectOption, dialectOf, joinFor } from './sql-dialect.ts'

/** What we need of a `QueryRunner` of TypeORM on which a transaction was started. */
export interface TypeormQueryRunner {
  readonly isTransactionActive: boolean
  readonly isReleased: boolean
  query(text: string, values: unknown[], structured: true): Promise<{ records?: unknown[]; raw?: unknown }>
}

/**
 * What we need of an `EntityManager` inside `dataSource.transaction(...)`. A `DataSource` and a `Repository` do not
 * fit. `dataSource.manager` has the same type and is refused at run time: no transaction is active on it.
 */
export interface TypeormManager {
  readonly queryRunner?: TypeormQueryRunner
  getRepository(target: unknown): unknown
  readonly createQueryRunner?: never
}

/** What TypeORM gives to the work of a transaction: its manager, or its query runner. */
export type TypeormTransaction = TypeormManager | TypeormQueryRunner

/**
 * The transaction adapter of TypeORM: pass the `EntityManager` of the transaction, or its `QueryRunner`. Throws
 * `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 *
 * @example
 * const broadcaster = new Broadcaster({ store, transaction: typeormTransaction({ dialect: 'postgres' }), backends })
 * await dataSource.transaction(async (manager) => {
 *   await manager.save(order)
 *   await broadcaster.publish(manager, { type: 'order.created', source: '/orders', data: { id: order.id } })
 * })
 */
export function typeormTransaction(options: DialectOption): TransactionAdapter<TypeormTransaction> {
  const dialect = dialectOf('typeormTransaction', options)
  const runGuarded = guarded(dialect, 'a TypeORM transaction')
  const seen = new WeakSet<TypeormQueryRunner>()
  return {
    name: 'typeorm',
    dialect,
    check(tx: TypeormTransaction): void {
      const runner = runnerOf(tx)
      if (runner === undefined) {
        const what = hasMethods(tx, 'getRepository')
          ? 'an EntityManager or DataSource without a transaction'
          : describe(tx)
        throw notATransaction(what, 'pass the argument of the function that you give to dataSource.transaction()')
      }
      if (runner.isTransactionActive) seen.add(runner)
      else if (runner.isReleased || seen.has(runner)) throw transactionEnded('a TypeORM transaction')
      else throw notATransaction('a QueryRunner without a transaction', 'await queryRunner.startTransaction() first')
    },
    async execute(tx: TypeormTransaction, statement: Statement): Promise<readonly Row[]> {
      // `check` has seen it; if it is gone since, the transaction has ended.
      const runner = runnerOf(tx)
      if (runner === undefined) throw transactionEnded('a TypeORM transaction')
      const run = async (text: string, values: readonly unknown[]): Promise<readonly Row[]> => {
        // Structured: otherwise the rows of a DELETE come in another form on each database.
        const { records = [] } = await runner.query(text, [...values], true)
        return records as Row[]
      }
      const answer = async (text: string): Promise<unknown> => (await runner.query(text, [], true)).raw
      const check = (): void => {
        if (!runner.isTransactionActive) throw transactionEnded('a TypeORM transaction')
      }
      return runGuarded({ run, answer, check }, joinFor(dialect, statement), statement)
    },
  }
}

function runnerOf(tx: TypeormTransaction): TypeormQueryRunner | undefined {
  if (!isObject(tx)) return undefined
  const runner = 'isTransactionActive' in tx ? tx : tx['queryRunner']
  return isRunner(runner) ? runner : undefined
}

function isRunner(value: unknown): value is TypeormQueryRunner {
  return hasMethods(value, 'query') && isObject(value) && typeof value['isTransactionActive'] === 'boolean'
}
