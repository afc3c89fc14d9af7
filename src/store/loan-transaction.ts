import type { ConnectionShare, Loan } from './connections.ts'
import { lentHandle } from './lent-handle.ts'

/**
 * How long the server may take to begin or roll back a transaction around user code, in ms: neither waits for others.
 */
const CONTROL = 8_000
/** The same for COMMIT, which may wait for the disk or a replica. */
const COMMIT = 60_000

/** How a transaction begins and ends. Each call resolves with the server's answer, within `limit` ms. */
export interface TransactionControl<C extends object> {
  begin(loan: Loan<C>, limit: number): Promise<unknown>
  commit(loan: Loan<C>, limit: number): Promise<unknown>
  rollBack(loan: Loan<C>, limit: number): Promise<unknown>
}

/** Runs `work` in a transaction; rolls back when it throws. */
export async function transactionOn<C extends object, T>(
  loan: Loan<C>,
  { begin, commit, rollBack }: TransactionControl<C>,
  work: () => Promise<T>,
): Promise<T> {
  // Where the loan has its own time limit, only that counts.
  const within = (limit: number): number => (loan.left === Number.POSITIVE_INFINITY ? limit : loan.left)
  try {
    await begin(loan, within(CONTROL))
    const result = await work()
    await commit(loan, within(COMMIT))
    return result
  } catch (error) {
    if (!loan.isOver) {
      try {
        await rollBack(loan, CONTROL)
        // A connection that rolls back works, unless its server cannot serve.
        loan.rolledBack()
      } catch {
        loan.destroy()
      }
    }
    throw error
  }
}

/** Runs user code in a transaction. */
export interface Lender<Runs> {
  /**
   * Runs `work` in a transaction, without limits on what it does; rolls back when it throws. Its handle refuses once
   * `work` has ended, and the connection is destroyed when a call through it is still unanswered. Throws
   * `TRANSACTION_ABORTED` when the commit turned out to be a rollback.
   */
  lend<T>(work: (tx: LentTransaction<Runs>) => Promise<T>): Promise<T>
}

export interface LentTransaction<Runs> {
  /** The library's own transaction, for user code. */
  readonly native: unknown
  /**
   * From now on `native` refuses; runs our own statements within limits, after user code. Throws `TRANSACTION_ENDED`
   * when the transaction is over, as on MySQL after a DDL statement or a deadlock whose error was caught: what is
   * written then would commit by itself.
   */
  conclude<T>(settle: (tx: Runs) => Promise<T>): Promise<T>
}

/** How a database lends a transaction to user code. */
export interface LendControl<C extends object, Runs> extends TransactionControl<C> {
  /** Called on the connection before the transaction. Optional. */
  prepare?(loan: Loan<C>, limit: number): Promise<unknown>
  /** What runs our own statements at its end. */
  concluding(loan: Loan<C>): Promise<Runs>
}

/** Lends transactions, each for as long as `work` takes; without a free connection it waits `wait` ms at most. */
export function lender<C extends object, Runs>(
  share: ConnectionShare<C>,
  wait: number,
  control: LendControl<C, Runs>,
): Lender<Runs> {
  const lendOn = async <T>(loan: Loan<C>, work: (tx: LentTransaction<Runs>) => Promise<T>): Promise<T> => {
    await control.prepare?.(loan, CONTROL)
    return transactionOn(loan, control, async () => {
      const { handle: native, end } = lentHandle(loan.connection)
      try {
        return await work({
          native,
          async conclude(settle) {
            end()
            return settle(await control.concluding(loan))
          },
        })
      } catch (error) {
        // The user code goes on: its calls must neither be waited for nor end up elsewhere.
        if (end()) loan.destroy()
        throw error
      } finally {
        end()
      }
    })
  }
  return { lend: (work) => share.use(Number.POSITIVE_INFINITY, (loan) => lendOn(loan, work), wait) }
}
