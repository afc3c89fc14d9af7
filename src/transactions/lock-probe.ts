import { hasCode, refuseAborted, transactionEnded } from './refusal.ts'

/** SQLSTATE `no_active_sql_transaction`. */
const NO_ACTIVE_TRANSACTION = '25P01'

/**
 * The server refuses this outside a transaction. Reading takes the same lock, so nobody waits for it, and everybody may
 * read this catalogue table. A savepoint would do as well, but its release would also release those set by others
 * since.
 */
const PROBE = 'LOCK TABLE pg_catalog.pg_language IN ACCESS SHARE MODE'

/**
 * Asks PostgreSQL whether a transaction is still open, where its library does not know: one round trip. `what` names
 * it: `a postgres.js transaction`. Throws `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 */
export async function requireOpenByLock(what: string, run: (text: string) => PromiseLike<unknown>): Promise<void> {
  try {
    await run(PROBE)
  } catch (error) {
    if (hasCode(error, NO_ACTIVE_TRANSACTION)) throw transactionEnded(what, error)
    refuseAborted(what)(error)
  }
}
