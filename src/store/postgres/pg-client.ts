import { BroadcasterError } from '../../errors.ts'
import type { PgTransaction } from '../../publish/transactions/pg.ts'
import { ConnectionShare, type Connections, type Loan } from '../connections.ts'
import { lentHandle } from '../lent-handle.ts'
import { type Limits, SERVER_FIRST } from '../statement-limits.ts'
import { type Client, encodeValue, type Lender, type RawRow, type SqlValue, withValues } from './client.ts'
import { runAgainOnConflict, storeError } from './store-error.ts'

/** A query as `pg` takes it. `types` stands for this one query above every parser the user has set. */
interface PgQuery {
  readonly text: string
  readonly values: unknown[]
  readonly types: { getTypeParser(): (text: string) => string }
}

interface PgResult {
  readonly rows: unknown[]
  readonly command?: string
}

/** What we need of a `pg.PoolClient`. */
export interface PgPoolClient extends PgTransaction {
  query(query: PgQuery): Promise<PgResult>
  query(text: string): Promise<PgResult>
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  release(destroy?: boolean): void
}

/** What we need of a `pg.Pool`. A single client does not fit: transactions on it would mix. */
export interface PgPool {
  readonly totalCount: number
  /** Of a pool with one connection none is kept for listening. */
  readonly options?: { readonly max?: number | undefined }
  query(query: PgQuery): Promise<PgResult>
  connect(): Promise<PgPoolClient>
  on?(event: 'error' | 'connect', listener: (given: object) => void): unknown
}

/** PostgreSQL's own text of every value: a parser that the user set on `pg.types` must not change what we read. */
const RAW = {
  getTypeParser:
    () =>
    (text: string): string =>
      text,
}

type PgLoan = Loan<PgPoolClient>

/** How long the server may take for BEGIN and ROLLBACK around the code of others, in ms: they wait for nobody. */
const CONTROL = 8_000
/** And for COMMIT, which may wait for the disk or a standby. */
const COMMIT = 60_000

/**
 * Limits as the beginning of a batch: one round trip, and of this transaction alone, so that no session keeps them, behind
 * PgBouncer neither. The timeout of statements counts for each one of a batch.
 */
function settings({ lock }: Limits, left: number): string {
  const statement = left === Number.POSITIVE_INFINITY ? 0 : Math.max(100, Math.round(left) - SERVER_FIRST)
  return `SET LOCAL statement_timeout=${statement};SET LOCAL lock_timeout=${Math.round(lock)};`
}

/** The client for statements of our own, on `size` connections of the pool. */
export function pgClient(connections: Connections<PgPoolClient>, size: number, limits: Limits): Client {
  const share = new ConnectionShare(connections, size)
  return {
    query: async (text, values = []) => {
      // What may take any time may be nothing that a batch can hold: CREATE INDEX CONCURRENTLY.
      if (limits.total === Number.POSITIVE_INFINITY) {
        const query = queryOf(text, values)
        return runAgainOnConflict(() =>
          share.use(limits.total, async (loan) => (await ask(loan, query)).rows as RawRow[]),
        )
      }
      // As a batch it has no parameters. What cannot be written costs no connection.
      const written = withValues(text, values)
      return runAgainOnConflict(() =>
        share.use(limits.total, async (loan) => {
          const batch = { text: settings(limits, loan.left) + written, values: [], types: RAW }
          return lastOf(await ask(loan, batch)).rows as RawRow[]
        }),
      )
    },
    transaction: (work) =>
      share.use(limits.total, (loan) =>
        transactionOn(loan, `BEGIN ISOLATION LEVEL READ COMMITTED;${settings(limits, loan.left)}`, () =>
          work({
            query: async (text, values = []) => (await ask(loan, queryOf(text, values))).rows as RawRow[],
            script: async (text) => void (await ask(loan, text)),
          }),
        ),
      ),
  }
}

/** Lends transactions to the code of others, on at most `size` connections at once. */
export function pgLender(
  connections: Connections<PgPoolClient>,
  size: number,
  { wait, conclusion }: { readonly wait: number; readonly conclusion: Limits },
): Lender {
  const share = new ConnectionShare(connections, size)
  const conclude = async (loan: PgLoan, text: string, values: readonly SqlValue[]): Promise<RawRow[]> => {
    const batch = { text: settings(conclusion, conclusion.total) + withValues(text, values), values: [], types: RAW }
    return lastOf(await ask(loan, batch, conclusion.total)).rows as RawRow[]
  }
  const lent: Lender['lend'] = (work) =>
    share.use(
      Number.POSITIVE_INFINITY,
      (loan) =>
        transactionOn(loan, 'BEGIN ISOLATION LEVEL READ COMMITTED', async () => {
          const { handle, end } = lentHandle(loan.connection)
          try {
            return await work({
              native: handle,
              conclude(text, values = []) {
                end()
                return conclude(loan, text, values)
              },
            })
          } catch (error) {
            // Its code goes on: what it has asked for must neither be waited for nor end up elsewhere.
            if (end()) loan.destroy()
            throw error
          } finally {
            end()
          }
        }),
      wait,
    )
  return { lend: lent }
}

async function ask(loan: PgLoan, query: PgQuery | string, limit?: number): Promise<PgResult> {
  if (loan.isOver) throw new BroadcasterError('STORE_UNAVAILABLE', 'the connection of the transaction was destroyed')
  const { connection } = loan
  const asked = typeof query === 'string' ? connection.query(query) : connection.query(query)
  return loan.answer(asked, limit).catch(throwStoreError)
}

/** Runs `work` between `begin` and COMMIT; rolls back when it throws. */
async function transactionOn<T>(loan: PgLoan, begin: string, work: () => Promise<T>): Promise<T> {
  const isUnlimited = loan.left === Number.POSITIVE_INFINITY
  try {
    await ask(loan, begin, isUnlimited ? CONTROL : undefined)
    const result = await work()
    const { command } = await ask(loan, 'COMMIT', isUnlimited ? COMMIT : undefined)
    // COMMIT of a transaction that an error has aborted succeeds, as a rollback.
    if (command === 'ROLLBACK') {
      throw new BroadcasterError(
        'TRANSACTION_ABORTED',
        'the transaction was rolled back by PostgreSQL, since a statement in it had failed and the error was caught',
      )
    }
    return result
  } catch (error) {
    await rollBack(loan)
    throw error
  }
}

/** What rolls back is well, unless its server cannot serve; what does not is destroyed. */
async function rollBack(loan: PgLoan): Promise<void> {
  if (loan.isOver) return
  try {
    await ask(loan, 'ROLLBACK', CONTROL)
    loan.rolledBack()
  } catch {
    loan.destroy()
  }
}

function queryOf(text: string, values: readonly SqlValue[]): PgQuery {
  return { text, values: values.map(encodeValue), types: RAW }
}

/** Of a batch, what its last statement returned. */
function lastOf(result: PgResult | readonly PgResult[]): PgResult {
  if (!('rows' in result)) return result.at(-1) ?? { rows: [] }
  return result
}

function throwStoreError(error: unknown): never {
  throw storeError(error)
}
