import type { Row } from '../../store/statement.ts'
import { throwTranslated } from './mysql2.ts'
import { innerWith, refuseAborted, transactionEnded } from './refusal.ts'
import type { SqlDialect } from './sql-dialect.ts'

/** How a library runs a statement on the transaction at hand. */
export type Run = (text: string, values: readonly unknown[]) => PromiseLike<readonly Row[]>

/** What stands between the marks is a comment for MySQL, which has nothing that tells. */
const IS_OPEN = 'SELECT /*M! @@in_transaction OR NOT @@autocommit AS open, */ 1 AS answered'

/**
 * Runs a statement of ours on a library's transaction, `what` it is: `a Knex transaction`.
 *
 * A transaction of MySQL may end without the library's knowing: a deadlock rolls it back, a DDL statement commits it, and
 * what is sent afterwards commits by itself. So MariaDB is asked first (one round trip); MySQL cannot be asked through a
 * library. Throws `TRANSACTION_ENDED` before anything is written, `TRANSACTION_ABORTED` for what an error of PostgreSQL
 * or a deadlock has aborted, and what `mysql2Transaction` throws.
 */
export async function guarded(
  dialect: SqlDialect,
  what: string,
  run: Run,
  text: string,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  if (dialect === 'mysql') {
    const [row] = await run(IS_OPEN, [])
    if (row && 'open' in row && Number(row['open']) === 0) throw transactionEnded(what)
  }
  try {
    return await run(text, values)
  } catch (error) {
    if (dialect === 'mysql') return throwTranslatedInner(error)
    return refuseAborted(what)(error)
  }
}

/** Looks for the driver's error inside the library's; what means nothing to us stays the library's. */
function throwTranslatedInner(error: unknown): never {
  const inner = innerWith(error, 'errno') ?? error
  try {
    return throwTranslated(inner)
  } catch (told) {
    throw told === inner ? error : told
  }
}
