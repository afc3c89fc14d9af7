import type { Statement } from '../store/statement.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'
import { guarded } from './guarded.ts'
import { hasKyselyEnded, isKyselyTransaction, type KyselyTransaction, runOnKysely } from './kysely.ts'
import { describe, hasMethods, notATransaction, transactionEnded } from './refusal.ts'
import { type DialectOption, dialectOf, joinFor } from './sql-dialect.ts'

const WHAT = 'a MikroORM EntityManager in a transaction'

/**
 * What we need of an SQL `EntityManager` of MikroORM. All have the same type, `orm.em` too, so the rule is checked at
 * run time, by `isInTransaction`. The `MikroORM` object does not fit.
 */
export interface MikroOrmTransaction {
  isInTransaction(): boolean
  getTransactionContext(): unknown
}

/**
 * The transaction adapter of MikroORM 7: pass the `EntityManager` of `em.transactional` (or one on which `begin` was
 * called). Its transaction is a Kysely one, on which our statements run verbatim: `em.execute` would write the values
 * into the text. Throws `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 *
 * @example
 * const broadcaster = new Broadcaster({ store, transaction: mikroOrmTransaction({ dialect: 'postgres' }), backends })
 * await orm.em.fork().transactional(async (em) => {
 *   em.persist(order)
 *   await broadcaster.publish(em, { type: 'order.created', source: '/orders', data: { id: order.id } })
 * })
 */
export function mikroOrmTransaction(options: DialectOption): TransactionAdapter<MikroOrmTransaction> {
  const dialect = dialectOf('mikroOrmTransaction', options)
  const runGuarded = guarded(dialect, 'a MikroORM transaction')
  const seen = new WeakSet<MikroOrmTransaction>()
  const cure = 'pass the argument of the function that you give to em.transactional()'
  return {
    name: 'mikro-orm',
    dialect,
    check(tx: MikroOrmTransaction): void {
      if (!hasMethods(tx, 'isInTransaction', 'getTransactionContext')) throw notATransaction(describe(tx), cure)
      if (!tx.isInTransaction()) {
        if (seen.has(tx)) throw transactionEnded(WHAT)
        throw notATransaction('an EntityManager without a transaction', cure)
      }
      const context = contextOf(tx)
      if (context === undefined) {
        throw notATransaction('an EntityManager whose transaction is not one of MikroORM 7 on SQL', cure)
      }
      // An EntityManager keeps its transaction after that has ended.
      if (hasKyselyEnded(context)) throw transactionEnded(WHAT)
      seen.add(tx)
    },
    async execute(tx: MikroOrmTransaction, statement: Statement) {
      const context = contextOf(tx)
      if (context === undefined) throw transactionEnded(WHAT)
      return runOnKysely(context, WHAT, joinFor(dialect, statement), statement, runGuarded)
    },
  }
}

function contextOf(tx: MikroOrmTransaction): KyselyTransaction | undefined {
  const context = tx.getTransactionContext()
  return isKyselyTransaction(context) ? context : undefined
}
