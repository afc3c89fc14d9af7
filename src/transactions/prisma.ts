import type { Row, Statement } from '../store/statement.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'
import { guarded } from './guarded.ts'
import type { RunOnTransaction } from './mysql-probe.ts'
import { describe, hasCode, hasMethods, isObject, notATransaction, transactionEnded } from './refusal.ts'
import { type DialectOption, dialectOf, joinFor } from './sql-dialect.ts'

/** "Transaction API error": it was committed, rolled back, or timed out. */
const TRANSACTION_CLOSED = 'P2028'

/**
 * What we need of the client inside `prisma.$transaction(async (tx) => ...)`. A `PrismaClient` does not fit: it has
 * `$connect`, which Prisma takes away inside a transaction.
 */
export interface PrismaTransaction {
  $queryRawUnsafe<Result>(text: string, ...values: unknown[]): PromiseLike<Result>
  readonly $connect?: never
}

/**
 * The transaction adapter of Prisma: pass the client of an interactive transaction. Throws `NOT_A_TRANSACTION`,
 * `TRANSACTION_ENDED` (also when Prisma's time for the transaction, 5 s by default, was over) or `TRANSACTION_ABORTED`.
 *
 * @example
 * const broadcaster = new Broadcaster({ store, transaction: prismaTransaction({ dialect: 'postgres' }), backends })
 * await prisma.$transaction(async (tx) => {
 *   await tx.order.create({ data: order })
 *   await broadcaster.publish(tx, { type: 'order.created', source: '/orders', data: order })
 * })
 */
export function prismaTransaction(options: DialectOption): TransactionAdapter<PrismaTransaction> {
  const dialect = dialectOf('prismaTransaction', options)
  const runGuarded = guarded(dialect, 'a Prisma transaction')
  return {
    name: 'prisma',
    dialect,
    check(tx: PrismaTransaction): void {
      if (hasMethods(tx, '$queryRawUnsafe') && isObject(tx) && tx['$connect'] === undefined) return
      const what = hasMethods(tx, '$queryRawUnsafe') ? 'a PrismaClient' : describe(tx)
      throw notATransaction(what, 'pass the argument of the function that you give to prisma.$transaction()')
    },
    async execute(tx: PrismaTransaction, statement: Statement): Promise<readonly Row[]> {
      const run = (text: string, values: readonly unknown[]) => tx.$queryRawUnsafe<readonly Row[]>(text, ...values)
      // Prisma sends the queries of one turn of the event loop as a batch, and when one fails it silently drops those
      // after it. Prisma sends at the end of the turn, so a turn of our own has nothing else in it.
      const runApart: RunOnTransaction = (text, values) =>
        new Promise((resolve, reject) => {
          setImmediate(() => run(text, values).then(resolve, reject))
        })
      try {
        return await runGuarded({ run, runApart }, joinFor(dialect, statement), statement)
      } catch (error) {
        throw hasCode(error, TRANSACTION_CLOSED) ? transactionEnded('a Prisma transaction', error) : error
      }
    },
  }
}
