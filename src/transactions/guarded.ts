import type { Row, Statement } from '../store/statement.ts'
import { throwTranslated } from './mysql-answer.ts'
import { mysqlProbe, type Way } from './mysql-probe.ts'
import { innerWith, refuseAborted } from './refusal.ts'
import type { SqlDialect } from './sql-dialect.ts'

/** Runs one of our statements on a library's transaction; `text` is the statement in the library's form. */
export type Guarded = (way: Way, text: string, statement: Statement) => Promise<readonly Row[]>

/**
 * How an adapter runs its statements; `what` names its transactions: `a Knex transaction`.
 *
 * MariaDB and MySQL are first asked whether the transaction is still open (one round trip), since they may end it by
 * themselves; but not for a statement that only reads. Throws `TRANSACTION_ENDED` before anything is written,
 * `TRANSACTION_ABORTED` for what an error of PostgreSQL or a deadlock has aborted, and what `mysql2Transaction` throws.
 */
export function guarded(dialect: SqlDialect, what: string): Guarded {
  const requireOpen = mysqlProbe(what)
  return async (way, text, { values, effect }) => {
    if (dialect === 'mysql' && effect !== 'reads') {
      await requireOpen(way)
      // It may have ended during that round trip: what is sent now would then commit by itself.
      way.check?.()
    }
    try {
      return await way.run(text, values)
    } catch (error) {
      if (dialect === 'mysql') return throwTranslatedInner(error)
      return refuseAborted(what)(error)
    }
  }
}

/** Looks for the driver's error inside the library's; one that means nothing to us is thrown as it is. */
function throwTranslatedInner(error: unknown): never {
  const inner = innerWith(error, 'errno') ?? error
  try {
    return throwTranslated(inner)
  } catch (told) {
    throw told === inner ? error : told
  }
}
