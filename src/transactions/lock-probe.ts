import { hasCode, refuseAborted, transactionEnded } from './refusal.ts'

/** SQLSTATE `no_active_sql_transaction`. */
const NO_ACTIVE_TRANSACTION = '25P01'

/**
 * The server refuses it outside a transaction. Reading takes the same lock: nobody waits for it, and everybody may read
 * this table of the catalogue. A savepoint would do as well, but to release it releases those that others set since.
 */
const PROBE = 'LOCK TABLE pg_catalog.pg_language IN ACCESS SHARE MODE'

/**
 * Asks PostgreSQL whether a transaction is still open whose library does not tell: one round trip. `what` it is: `a
 * postgres.js transaction`. Throws `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 */
export async function requireOpenByLock(what: string, run: (text: string) => PromiseLike<unknown>): Promise<void> {
  try {
    await run(PROBE)
  } catch (error) {
    if (hasCode(error, NO_ACTIVE_TRANSACTION)) throw transactionEnded(what, error)
    refuseAborted(what)(error)
  }
}
