import { BroadcasterError } from '../../errors.ts'
import { clientsOn } from '../clients.ts'
import type { ConnectionShare, Loan } from '../connections.ts'
import { type Lender, lender, type TransactionControl, transactionOn } from '../loan-transaction.ts'
import { type Limits, type ResolvedStatementOptions, SERVER_FIRST } from '../statement-limits.ts'
import {
  type Client,
  type Clients,
  encodeValue,
  type Queries,
  type RawRow,
  type SqlValue,
  withValues,
} from './client.ts'
import { execution, KeptStatements } from './kept-statements.ts'
import type { OpenPg } from './open-pg.ts'
import type { PgTransaction } from './pg-transaction.ts'
import { runAgainOnConflict, serverCode } from './store-error.ts'

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

/**
 * Limits as the beginning of a batch: one round trip, and of this transaction alone, so that no session keeps them, behind
 * PgBouncer neither. The timeout of statements counts for each one of a batch. No statement of ours reads so much that it would be worth
 * compiling, and one over 30 partitions looks so dear to the planner that it would be compiled for seconds.
 */
function settings({ lock }: Limits, left: number): string {
  const statement = left === Number.POSITIVE_INFINITY ? 0 : Math.max(100, Math.round(left) - SERVER_FIRST)
  return `SET LOCAL statement_timeout=${statement};SET LOCAL lock_timeout=${Math.round(lock)};SET LOCAL jit=off;`
}

const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED'
const BEGIN_SNAPSHOT = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'

const CONTROL: TransactionControl<PgPoolClient> = {
  begin: (loan, limit) => ask(loan, BEGIN, limit),
  async commit(loan, limit) {
    const { command } = await ask(loan, 'COMMIT', limit)
    // COMMIT of a transaction that an error has aborted succeeds, as a rollback.
    if (command === 'ROLLBACK') {
      throw new BroadcasterError(
        'TRANSACTION_ABORTED',
        'the transaction was rolled back by PostgreSQL, since a statement in it had failed and the error was caught',
      )
    }
  },
  rollBack: (loan, limit) => ask(loan, 'ROLLBACK', limit),
}

/** The clients of a store on a pool of `pg`. */
export function pgClients(open: OpenPg, options: ResolvedStatementOptions, prepare = true): Clients {
  const kept = prepare ? new KeptStatements() : undefined
  return clientsOn(open, options, { client: (share, limits) => pgClient(share, limits, kept), lender: pgLender })
}

function pgClient(share: ConnectionShare<PgPoolClient>, limits: Limits, kept: KeptStatements | undefined): Client {
  return {
    query: async (text, values = [], keep) => {
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
        share.use(limits.total, (loan) =>
          kept && keep
            ? askKept(loan, kept, { text, values, written }, limits)
            : askLimited(loan, written, limits, loan.left),
        ),
      )
    },
    transaction: (work) =>
      share.use(limits.total, (loan) =>
        transactionOn(loan, beginning(BEGIN, limits), () =>
          work({ query: queryOn(loan), script: async (text) => void (await ask(loan, text)) }),
        ),
      ),
    snapshot: (work) =>
      share.use(limits.total, async (loan) => {
        const attempt = (plans?: KeptStatements) =>
          transactionOn(loan, beginning(BEGIN_SNAPSHOT, limits), () => work({ query: keptQueryOn(loan, plans) }))
        try {
          return await attempt(kept)
        } catch (error) {
          // Nothing was written: all of it is read again, in another snapshot.
          if (!kept?.refuses(loan.connection, serverCode(error))) throw error
          return attempt()
        }
      }),
  }
}

/** Within a transaction that has set its limits: an error ends it, so that what the server refuses is for the caller to begin anew. */
function keptQueryOn(loan: PgLoan, kept: KeptStatements | undefined): Client['query'] {
  const plain = queryOn(loan)
  if (!kept) return plain
  const raw = async (text: string): Promise<RawRow[]> =>
    lastOf(await ask(loan, { text, values: [], types: RAW })).rows as RawRow[]
  return async (text, values = [], keep) => {
    const name = keep && (await kept.prepare(loan.connection, text, raw))
    if (name === undefined) return plain(text, values)
    return raw(execution(name, values))
  }
}

function beginning(begin: string, limits: Limits): TransactionControl<PgPoolClient> {
  return { ...CONTROL, begin: (loan, limit) => ask(loan, `${begin};${settings(limits, loan.left)}`, limit) }
}

function queryOn(loan: PgLoan): Client['query'] {
  return async (text, values = []) => (await ask(loan, queryOf(text, values))).rows as RawRow[]
}

function pgLender(share: ConnectionShare<PgPoolClient>, wait: number, conclusion: Limits): Lender<Queries> {
  return lender(share, wait, {
    ...CONTROL,
    concluding: async (loan) => ({
      query: (text, values = []) => askLimited(loan, withValues(text, values), conclusion, conclusion.total),
    }),
  })
}

async function ask(loan: PgLoan, query: PgQuery | string, limit?: number): Promise<PgResult> {
  return loan.ask(
    (connection) => (typeof query === 'string' ? connection.query(query) : connection.query(query)),
    limit,
  )
}

/** The rows of a statement, its limits before it in one batch; `left`: what is left of the time for all. */
async function askLimited(loan: PgLoan, written: string, limits: Limits, left: number): Promise<RawRow[]> {
  const result = await ask(loan, { text: settings(limits, left) + written, values: [], types: RAW }, left)
  return lastOf(result).rows as RawRow[]
}

/** The same by a kept plan, as far as the connection can keep one. */
async function askKept(
  loan: PgLoan,
  kept: KeptStatements,
  { text, values, written }: { readonly text: string; readonly values: readonly SqlValue[]; readonly written: string },
  limits: Limits,
): Promise<RawRow[]> {
  try {
    const name = await kept.prepare(loan.connection, text, (asked) => askLimited(loan, asked, limits, loan.left))
    if (name !== undefined) {
      return await askLimited(loan, execution(name, values), limits, loan.left)
    }
  } catch (error) {
    if (!kept.refuses(loan.connection, serverCode(error))) throw error
  }
  return askLimited(loan, written, limits, loan.left)
}

function queryOf(text: string, values: readonly SqlValue[]): PgQuery {
  return { text, values: values.map(encodeValue), types: RAW }
}

/** Of a batch, what its last statement returned. */
function lastOf(result: PgResult | readonly PgResult[]): PgResult {
  if (!('rows' in result)) return result.at(-1) ?? { rows: [] }
  return result
}
