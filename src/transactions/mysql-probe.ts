import type { Row } from '../store/statement.ts'
import { isOpenBy } from './mysql-answer.ts'
import { hasCode, transactionEnded } from './refusal.ts'

/** How a library runs a statement on the transaction at hand. */
export type RunOnTransaction = (text: string, values: readonly unknown[]) => PromiseLike<readonly Row[]>

/** How a library reaches the transaction at hand. */
export interface Way {
  readonly run: RunOnTransaction
  /** Resolves with the driver's own answer, where the library passes that on. */
  readonly answer?: (text: string) => PromiseLike<unknown>
  /** Throws `TRANSACTION_ENDED` where the library itself knows that. */
  readonly check?: () => void
  /** Runs what may fail, where a failure would affect the application's own statements. */
  readonly runApart?: RunOnTransaction
}

/** The text between the marks is a comment for MySQL, which has no such variable. */
const ASK_MARIADB = 'SELECT /*M! @@in_transaction OR NOT @@autocommit AS open, */ 1 AS answered'

/**
 * MySQL refuses this while a transaction is open, and leaves that as it was. Where none is open it sets the next one to
 * what is the default anyway. Setting and releasing a savepoint would tell too, but RELEASE removes later savepoints.
 */
const ASK_MYSQL = 'SET TRANSACTION READ WRITE'
const CANNOT_CHANGE_TRANSACTION = 1568

/**
 * Asks MariaDB or MySQL whether a library's transaction is still open; `what` names it: `a Knex transaction`. The
 * server may have ended it without the library knowing: a deadlock rolls it back, a DDL statement commits it, and what
 * is sent afterwards commits by itself. Throws `TRANSACTION_ENDED`.
 *
 * One round trip: by the connection's status, where the library passes on the driver's own `answer` and that has it
 * (mysql2), else by a statement.
 */
export function mysqlProbe(what: string): (way: Way) => Promise<void> {
  /** The server is known not to be MariaDB. */
  let isMysql = false

  return async (way) => {
    const open = way.answer && isOpenBy(await way.answer('DO 0'))
    if (open ?? (await ask(way))) return
    throw transactionEnded(what)
  }

  async function ask({ run, runApart = run }: Way): Promise<boolean> {
    if (!isMysql) {
      const [row] = await run(ASK_MARIADB, [])
      if (row && 'open' in row) return Number(row['open']) !== 0
      isMysql = true
    }
    try {
      await runApart(ASK_MYSQL, [])
    } catch (error) {
      if (hasCode(error, CANNOT_CHANGE_TRANSACTION)) return true
      throw error
    }
    // Without autocommit everything is in a transaction, though none has begun before the first statement.
    const [row] = await run('SELECT @@autocommit AS automatic', [])
    return row !== undefined && Number(row['automatic']) === 0
  }
}
