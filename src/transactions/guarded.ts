import type { Row, Statement } from '../store/statement.ts'
import { throwTranslated } from './mysql-answer.ts'
import { mysqlProbe, type Way } from './mysql-probe.ts'
import { innerWith, refuseAborted } from './refusal.ts'
import type { SqlDialect } from './sql-dialect.ts'

/** Runs a statement of ours on a library's transaction; `text` is it in the library's own form. */
export type Guarded = (way: Way, text: string, statement: Statement) => Promise<readonly Row[]>

/**
 * How an adapter runs its statements; `what` its transactions are: `a Knex transaction`.
 *
 * MariaDB and MySQL are asked first whether the transaction is still open (one round trip), since they may end it by
 * themselves; but not before what only reads. Throws `TRANSACTION_ENDED` before anything is written, `TRANSACTION_ABORTED` for
 * what an error of PostgreSQL or a deadlock has aborted, and what `mysql2Transaction` throws.
 */
export function guarded(dialect: SqlDialect, what: string): Guarded {
  const requireOpen = mysqlProbe(what)
  return async (way, text, { values, effect }) => {
    if (dialect === 'mysql' && effect !== 'reads') {
      await requireOpen(way)
      // It may have ended during that round trip: then what is sent now would commit by itself.
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

/** Looks for the driver's error inside the library's; what means nothing to us stays the library's. */
function throwTranslatedInner(error: unknown): never {
  const inner = innerWith(error, 'errno') ?? error
  try {
    return throwTranslated(inner)
  } catch (told) {
    throw told === inner ? error : told
  }
}
