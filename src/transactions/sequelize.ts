import { numberedText, type Row, type Statement } from '../store/statement.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'
import { unpaired } from './driver-result.ts'
import { guarded } from './guarded.ts'
import { describe, hasMethods, isObject, notATransaction, transactionEnded } from './refusal.ts'
import { type DialectOption, dialectOf } from './sql-dialect.ts'

/** What we need of a `Transaction` of Sequelize 6. A `Sequelize` does not fit. */
export interface SequelizeTransaction {
  commit(): Promise<void>
  rollback(): Promise<void>
  /** Neither a Sequelize nor another library's transaction has it. */
  afterCommit(work: unknown): void
}

interface QueryOptions {
  readonly retry: { readonly max: number }
  readonly bind: unknown[]
  readonly transaction: unknown
  readonly raw: true
  readonly type: string
}

/**
 * The instance's `retry` option runs a failed statement again. After a deadlock the transaction is gone, and the error
 * of the second try would hide that the transaction may be run again.
 */
const ONCE = { retry: { max: 1 } } as const

/** What a `Transaction` has at run time but not in its types. */
interface Inside {
  /** `commit` or `rollback` once it has ended. */
  readonly finished?: unknown
  readonly parent?: unknown
  readonly sequelize: {
    query(text: string, options: QueryOptions): Promise<unknown>
  }
}

/**
 * The transaction adapter of Sequelize 6. Throws `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 *
 * @example
 * const broadcaster = new Broadcaster({ store, transaction: sequelizeTransaction({ dialect: 'postgres' }), backends })
 * await sequelize.transaction(async (transaction) => {
 *   await Order.create(order, { transaction })
 *   await broadcaster.publish(transaction, { type: 'order.created', source: '/orders', data: order })
 * })
 */
export function sequelizeTransaction(options: DialectOption): TransactionAdapter<SequelizeTransaction> {
  const dialect = dialectOf('sequelizeTransaction', options)
  const runGuarded = guarded(dialect, 'a Sequelize transaction')
  return {
    name: 'sequelize',
    dialect,
    check: requireOpen,
    async execute(tx: SequelizeTransaction, statement: Statement): Promise<readonly Row[]> {
      const { sequelize } = insideOf(tx)
      const query = async (text: string, values: readonly unknown[]): Promise<unknown> => {
        // `bind` numbers its values on every database; RAW, since SELECT would mean a read of a model's table.
        return unpaired(
          await sequelize.query(text, { ...ONCE, bind: [...values], transaction: tx, raw: true, type: 'RAW' }),
        )
      }
      const run = async (text: string, values: readonly unknown[]): Promise<readonly Row[]> => {
        const rows = await query(text, values)
        return Array.isArray(rows) ? rows : []
      }
      const answer = (text: string): Promise<unknown> => query(text, [])
      const text = numberedText(statement)
      return runGuarded({ run, answer, check: () => requireOpen(tx) }, text, statement)
    },
  }
}

function requireOpen(tx: SequelizeTransaction): void {
  for (let at: unknown = insideOf(tx); isObject(at); at = at['parent']) {
    if (at['finished'] !== undefined) throw transactionEnded('a Sequelize transaction')
  }
}

function insideOf(tx: SequelizeTransaction): Inside {
  if (isInside(tx)) return tx
  const what = hasMethods(tx, 'query', 'transaction') ? 'a Sequelize instance' : describe(tx)
  throw notATransaction(what, 'pass the argument of the function that you give to sequelize.transaction()')
}

function isInside(tx: unknown): tx is Inside {
  return hasMethods(tx, 'commit', 'rollback', 'afterCommit') && isObject(tx) && hasMethods(tx['sequelize'], 'query')
}
