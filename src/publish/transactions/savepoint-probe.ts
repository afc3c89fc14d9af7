import { hasCode, refuseAborted, transactionEnded } from './refusal.ts'

/** SQLSTATE `no_active_sql_transaction`. */
const NO_ACTIVE_TRANSACTION = '25P01'

/**
 * Runs a statement on a PostgreSQL transaction whose library does not tell whether it is still open: a savepoint goes
 * before it, which the server refuses outside a transaction. One round trip more: the RELEASE travels with the
 * statement. `what` the transaction is: `a postgres.js transaction`. Throws `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 */
export async function runAfterProbe<Result>(
  what: string,
  run: (text: string) => PromiseLike<unknown>,
  statement: () => PromiseLike<Result>,
): Promise<Result> {
  try {
    await run('SAVEPOINT broadcaster_check')
  } catch (error) {
    if (hasCode(error, NO_ACTIVE_TRANSACTION)) throw transactionEnded(what, error)
    return refuseAborted(what)(error)
  }
  const [, result] = await Promise.all([run('RELEASE SAVEPOINT broadcaster_check'), statement()])
  return result
}
