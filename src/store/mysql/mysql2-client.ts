import { BroadcasterError } from '../../errors.ts'
import { IN_TRANSACTION } from '../../transactions/mysql-answer.ts'
import { clientsOn } from '../clients.ts'
import type { ConnectionShare, Loan } from '../connections.ts'
import { type Lender, lender, type TransactionControl, transactionOn } from '../loan-transaction.ts'
import { type Limits, type ResolvedStatementOptions, SERVER_FIRST } from '../statement-limits.ts'
import type { Client, Clients, RawRow, Runs } from './client.ts'
import { isOpen, type Mysql2Query, type Mysql2Transaction } from './mysql2-transaction.ts'
import type { OpenMysql2 } from './open-mysql2.ts'
import type { Sql } from './sql.ts'
import { runAgainOnConflict, serverCode } from './store-error.ts'

/** What we need of a `PoolConnection` of `mysql2/promise`. */
export interface Mysql2PoolConnection extends Mysql2Transaction {
  release(): void
  destroy(): void
}

/** What we need of a `Pool` of `mysql2/promise`. */
export interface Mysql2Pool {
  getConnection(): Promise<Mysql2PoolConnection>
  on?(event: 'connection', listener: (connection: object) => void): unknown
}

type Mysql2Loan = Loan<Mysql2PoolConnection>

/** The library's own conversion, not one that the application gave its pool. */
const typeCast = (_field: unknown, next: () => unknown): unknown => next()

function queryOf(text: string): Mysql2Query {
  // With a list of values, even an empty one, the text is not searched for named placeholders.
  return { sql: text, values: [], rowsAsArray: false, nestTables: false, typeCast }
}

/** For the next transaction only, and a single statement is one. */
const ISOLATION = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED'

/**
 * The same, and how long to wait for a row lock: MariaDB takes that with the statement, MySQL only for the session,
 * whose value is saved and restored before the connection goes back.
 */
function isolationAndLockWait({ lock }: Limits): string {
  return `SET /*!80000 @broadcaster_lock_wait = @@SESSION.innodb_lock_wait_timeout,
  @@SESSION.innodb_lock_wait_timeout = ${Math.ceil(lock / 1_000)}, @@transaction_isolation = 'READ-COMMITTED' */
  /*M! TRANSACTION ISOLATION LEVEL READ COMMITTED */`
}

const LOCK_WAIT_AS_BEFORE =
  'SET /*!80000 @@SESSION.innodb_lock_wait_timeout = @broadcaster_lock_wait */ /*M! @broadcaster_lock_wait = NULL */'

const CONTROL: TransactionControl<Mysql2PoolConnection> = {
  begin: (loan, limit) => control(loan, 'START TRANSACTION', limit),
  commit: (loan, limit) => control(loan, 'COMMIT', limit),
  rollBack: (loan, limit) => ask(loan, 'ROLLBACK', limit),
}

/** The clients of a store on a pool of `mysql2`. */
export function mysql2Clients(open: OpenMysql2, options: ResolvedStatementOptions): Clients {
  return clientsOn(open, options, { client: mysql2Client, lender: mysql2Lender })
}

function mysql2Client(share: ConnectionShare<Mysql2PoolConnection>, limits: Limits): Client {
  /** Within the limits; restores the session's own lock wait afterwards. */
  const limited = <T>(work: (loan: Mysql2Loan) => Promise<T>): Promise<T> =>
    share.use(limits.total, async (loan) => {
      await control(loan, isolationAndLockWait(limits))
      try {
        return await work(loan)
      } finally {
        restore(loan)
      }
    })
  return {
    query: (statement) =>
      runAgainOnConflict(() => share.use(limits.total, (loan) => runsOn(loan, limits).query(statement))),
    run: (statement) =>
      runAgainOnConflict(() =>
        limited(async (loan) => {
          const { affectedRows, serverStatus } = await write(loan, statement, limits)
          if ((serverStatus & IN_TRANSACTION) !== 0) throw noAutocommit()
          return affectedRows
        }),
      ),
    transaction: (work) => limited((loan) => transactionOn(loan, CONTROL, () => work(runsOn(loan, limits)))),
    snapshot: (work) =>
      share.use(limits.total, (loan) =>
        transactionOn(loan, { ...CONTROL, begin: beginSnapshot }, () => work(runsOn(loan, limits))),
      ),
    session: (work) =>
      share.use(Number.POSITIVE_INFINITY, async (loan) => {
        try {
          return await work(runsOn(loan, undefined))
        } finally {
          // This session has its own settings and locks.
          loan.destroy()
        }
      }),
  }
}

async function beginSnapshot(loan: Mysql2Loan, limit: number): Promise<void> {
  await control(loan, 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY', limit)
  await control(loan, 'START TRANSACTION WITH CONSISTENT SNAPSHOT', limit)
}

function mysql2Lender(share: ConnectionShare<Mysql2PoolConnection>, wait: number, conclusion: Limits): Lender<Runs> {
  return lender(share, wait, {
    ...CONTROL,
    prepare: (loan, limit) => control(loan, ISOLATION, limit),
    async concluding(loan) {
      await requireOpen(loan, conclusion.total)
      return runsOn(loan, conclusion, conclusion.total)
    },
  })
}

/** Not waited for: whoever uses the connection next queues behind it. */
function restore(loan: Mysql2Loan): void {
  if (loan.isOver) return
  const { connection } = loan
  connection.query(queryOf(LOCK_WAIT_AS_BEFORE)).catch(() => connection.destroy())
}

/** User code may have ended the transaction by a statement, or by an error that it caught. */
async function requireOpen(loan: Mysql2Loan, limit: number): Promise<void> {
  if (await loan.ask(isOpen, limit)) return
  throw new BroadcasterError(
    'TRANSACTION_ENDED',
    'the transaction ended before its callback did: by a COMMIT or ROLLBACK, by a DDL statement, which commits it, or by a deadlock, which rolls it back, and whose error was caught',
    { field: 'tx' },
  )
}

/** `limits` undefined: none. `answerIn`: for one answer, where the loan has no time of its own. */
function runsOn(loan: Mysql2Loan, limits: Limits | undefined, answerIn?: number): Runs {
  return {
    async query(statement) {
      return (await ask(loan, textOf(loan, statement, limits, answerIn), answerIn)) as readonly RawRow[]
    },
    run: async (statement) => (await write(loan, statement, limits, answerIn)).affectedRows,
  }
}

/** The server's answer to a write. */
interface Written {
  readonly affectedRows: number
  readonly serverStatus: number
}

async function write(
  loan: Mysql2Loan,
  statement: Sql,
  limits: Limits | undefined,
  answerIn?: number,
): Promise<Written> {
  return (await ask(loan, textOf(loan, statement, limits, answerIn), answerIn)) as Written
}

function textOf(loan: Mysql2Loan, { text }: Sql, limits: Limits | undefined, answerIn = loan.left): string {
  return limits === undefined ? text : withLimits(text, limits, answerIn)
}

async function ask(loan: Mysql2Loan, text: string, limit?: number): Promise<unknown> {
  const [result] = await loan.ask((connection) => connection.query(queryOf(text)), limit)
  return result
}

/** The error of a SET TRANSACTION inside a transaction. */
const TRANSACTION_IN_PROGRESS = 1568

/** Without autocommit the statement would be in a transaction that never commits. */
function noAutocommit(): BroadcasterError {
  return new BroadcasterError(
    'INVALID_OPTION',
    'pool gave a connection that is in a transaction: autocommit is off there, or its last user returned it with an open transaction; give mysql() a pool that leaves autocommit on, and end each transaction before release()',
    { field: 'pool' },
  )
}

async function control(loan: Mysql2Loan, text: string, limit?: number): Promise<void> {
  try {
    await ask(loan, text, limit)
  } catch (error) {
    throw serverCode(error) === TRANSACTION_IN_PROGRESS ? noAutocommit() : error
  }
}

const ALL = '18446744073709551615'

/**
 * One of our statements with its limits, and without session settings that would change what it does:
 * `sql_select_limit` hides rows, `sql_safe_updates` refuses updates by another index than the server expects. MariaDB
 * takes all of that with the statement. MySQL takes hints; for writes it has only lock limits.
 */
export function withLimits(text: string, { lock }: Limits, left: number): string {
  const time = Math.max(100, Math.round(left) - SERVER_FIRST)
  const wait = Math.ceil(lock / 1_000)
  const forMariadb = `/*M! SET STATEMENT max_statement_time=${time / 1_000},innodb_lock_wait_timeout=${wait},lock_wait_timeout=${wait},sql_select_limit=${ALL},sql_safe_updates=0 FOR */ `
  const settings = `SET_VAR(lock_wait_timeout=${wait}) SET_VAR(sql_safe_updates=0) SET_VAR(sql_select_limit=${ALL})`
  // After the first word of the whole statement.
  const hinted = text.replace(/^\s*\(?\s*(SELECT|INSERT|UPDATE|DELETE)\b/, (verb, word: string) =>
    word === 'SELECT' ? `${verb} /*+ MAX_EXECUTION_TIME(${time}) ${settings} */` : `${verb} /*+ ${settings} */`,
  )
  return forMariadb + hinted
}
