import { BroadcasterError } from '../../errors.ts'
import { IN_TRANSACTION, isOpen, type Mysql2Query, type Mysql2Transaction } from '../../publish/transactions/mysql2.ts'
import { ConnectionShare, type Connections, type Loan } from '../connections.ts'
import { lentHandle } from '../lent-handle.ts'
import type { Limits } from '../statement-limits.ts'
import type { Client, Lender, RawRow, Runs } from './client.ts'
import { withLimits } from './limited-statement.ts'
import type { Sql } from './sql.ts'
import { errorNumber, runAgainOnConflict, storeError } from './store-error.ts'

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

/** The library's own reading of a value, not a function that the application gave its pool. */
const typeCast = (_field: unknown, next: () => unknown): unknown => next()

function queryOf(text: string): Mysql2Query {
  // With a list of values, if an empty one, nothing that looks like a named placeholder is looked for in the text.
  return { sql: text, values: [], rowsAsArray: false, nestTables: false, typeCast }
}

/** How long the server may take for what begins and ends a transaction around the code of others, in ms. */
const CONTROL = 8_000
/** And for COMMIT, which may wait for the disk or a replica. */
const COMMIT = 60_000

/** Of the next transaction alone, which a single statement is, too. */
const ISOLATION = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED'

/**
 * The same, and how long a row lock is waited for: MariaDB takes that with the statement, MySQL for the session only, so what was
 * set there is kept, and set again before the connection goes back.
 */
function isolationAndLockWait({ lock }: Limits): string {
  return `SET /*!80000 @broadcaster_lock_wait = @@SESSION.innodb_lock_wait_timeout,
  @@SESSION.innodb_lock_wait_timeout = ${Math.ceil(lock / 1_000)}, @@transaction_isolation = 'READ-COMMITTED' */
  /*M! TRANSACTION ISOLATION LEVEL READ COMMITTED */`
}

const LOCK_WAIT_AS_BEFORE =
  'SET /*!80000 @@SESSION.innodb_lock_wait_timeout = @broadcaster_lock_wait */ /*M! @broadcaster_lock_wait = NULL */'

/** The client for statements of our own, on `size` connections of the pool. */
export function mysql2Client(connections: Connections<Mysql2PoolConnection>, size: number, limits: Limits): Client {
  const share = new ConnectionShare(connections, size)
  /** Within the limits, and with the session's own lock wait again when it is over. */
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
    transaction: (work) => limited((loan) => transactionOn(loan, async () => work(runsOn(loan, limits)), undefined)),
    session: (work) =>
      share.use(Number.POSITIVE_INFINITY, async (loan) => {
        try {
          return await work(runsOn(loan, undefined))
        } finally {
          // It has settings and locks of its own.
          loan.destroy()
        }
      }),
  }
}

/** Lends transactions to the code of others, on at most `size` connections at once. */
export function mysql2Lender(
  connections: Connections<Mysql2PoolConnection>,
  size: number,
  { wait, conclusion }: { readonly wait: number; readonly conclusion: Limits },
): Lender {
  const share = new ConnectionShare(connections, size)
  const lend: Lender['lend'] = (work) =>
    share.use(
      Number.POSITIVE_INFINITY,
      async (loan) => {
        await control(loan, ISOLATION, CONTROL)
        const { handle, end } = lentHandle(loan.connection)
        return transactionOn(
          loan,
          async () => {
            try {
              return await work({
                native: handle,
                async conclude(settle) {
                  end()
                  await requireOpen(loan, conclusion.total)
                  return settle(runsOn(loan, conclusion, conclusion.total))
                },
              })
            } catch (error) {
              // Its code goes on: what it has asked for must neither be waited for nor end up elsewhere.
              if (end()) loan.destroy()
              throw error
            } finally {
              end()
            }
          },
          { control: CONTROL, commit: COMMIT },
        )
      },
      wait,
    )
  return { lend }
}

/** Runs `work` in a transaction; rolls back when it throws. `limits`: of what begins and ends it, where the loan has none. */
async function transactionOn<T>(
  loan: Mysql2Loan,
  work: () => Promise<T>,
  limits: { readonly control: number; readonly commit: number } | undefined,
): Promise<T> {
  try {
    await control(loan, 'START TRANSACTION', limits?.control)
    const result = await work()
    await control(loan, 'COMMIT', limits?.commit)
    return result
  } catch (error) {
    await rollBack(loan)
    throw error
  }
}

async function rollBack(loan: Mysql2Loan): Promise<void> {
  if (loan.isOver) return
  try {
    await ask(loan, 'ROLLBACK', CONTROL)
    loan.rolledBack()
  } catch {
    loan.destroy()
  }
}

/** Not waited for: whoever has the connection next comes after it. */
function restore(loan: Mysql2Loan): void {
  if (loan.isOver) return
  const { connection } = loan
  connection.query(queryOf(LOCK_WAIT_AS_BEFORE)).catch(() => connection.destroy())
}

/** A statement that others began, and an error that they caught, may have ended the transaction. */
async function requireOpen(loan: Mysql2Loan, limit: number): Promise<void> {
  if (await loan.answer(isOpen(loan.connection), limit).catch(throwStoreError)) return
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

/** What the server says after a write. */
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
  if (loan.isOver) throw new BroadcasterError('STORE_UNAVAILABLE', 'the connection of the transaction was destroyed')
  const [result] = await loan.answer(loan.connection.query(queryOf(text)), limit).catch(throwStoreError)
  return result
}

/** Told to a SET TRANSACTION. */
const TRANSACTION_IN_PROGRESS = 1568

/** The statement stands in a transaction that nobody would commit. */
function noAutocommit(): BroadcasterError {
  return new BroadcasterError(
    'INVALID_OPTION',
    'pool gave a connection that is in a transaction: autocommit is off there, or whoever had it gave it back in the middle; give mysql() a pool that leaves autocommit on, and end each transaction before release()',
    { field: 'pool' },
  )
}

async function control(loan: Mysql2Loan, text: string, limit?: number): Promise<void> {
  try {
    await ask(loan, text, limit)
  } catch (error) {
    const number = errorNumber(error instanceof BroadcasterError ? error.cause : error)
    throw number === TRANSACTION_IN_PROGRESS ? noAutocommit() : error
  }
}

function throwStoreError(error: unknown): never {
  throw storeError(error)
}
