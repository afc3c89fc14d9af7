import type { Row } from '../store/statement.ts'
import { isOpenBy } from './mysql-answer.ts'
import { hasCode, transactionEnded } from './refusal.ts'

/** How a library runs a statement on the transaction at hand. */
export type RunOnTransaction = (text: string, values: readonly unknown[]) => PromiseLike<readonly Row[]>

/** A library's way to the transaction at hand. */
export interface Way {
  readonly run: RunOnTransaction
  /** Resolves with what the driver gave, where the library hands that over. */
  readonly answer?: (text: string) => PromiseLike<unknown>
  /** Throws `TRANSACTION_ENDED` where the library itself knows that. */
  readonly check?: () => void
  /** Runs what may fail, where an error would take the application's own statements with it. */
  readonly runApart?: RunOnTransaction
}

/** The text between the marks is a comment for MySQL, which has no such variable. */
const ASK_MARIADB = 'SELECT /*M! @@in_transaction OR NOT @@autocommit AS open, */ 1 AS answered'

/**
 * MySQL refuses it while a transaction is open, and leaves that transaction as it was. Where none is open it says of the
 * next one what is the default. To set a savepoint and release it would tell, too, but RELEASE removes the later ones.
 */
const ASK_MYSQL = 'SET TRANSACTION READ WRITE'
const CANNOT_CHANGE_TRANSACTION = 1568

/**
 * Asks MariaDB or MySQL whether the transaction of a library is still open, `what` it is: `a Knex transaction`. The server
 * may have ended it without the library's knowing: a deadlock rolls it back, a DDL statement commits it, and what is sent
 * afterwards commits by itself. Throws `TRANSACTION_ENDED`.
 *
 * One round trip: by the status of the connection, where the library hands over the driver's own `answer` and that has it
 * (mysql2), else by a statement.
 */
export function mysqlProbe(what: string): (way: Way) => Promise<void> {
  /** The server is not MariaDB, so that it need not be asked as one again. */
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
