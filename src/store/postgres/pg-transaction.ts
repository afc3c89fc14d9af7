import { requireObject } from '../../foundation/problem.ts'
import {
  describe,
  hasCode,
  hasMethods,
  isObject,
  notATransaction,
  refuseAborted,
  transactionAborted,
  transactionEnded,
} from '../../transactions/refusal.ts'
import { behindHandle } from '../lent-handle.ts'
import { numberedText, type Row, type Statement } from '../statement.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'
import { KeptPlans } from './kept-plans.ts'

/**
 * What we need of a `pg.PoolClient` or `pg.Client` on which `BEGIN` was run. A `pg.Pool` does not fit: each of its
 * queries may run on another connection, so nothing sent through it can belong to a transaction.
 */
export interface PgTransaction {
  query(config: {
    readonly text: string
    readonly values: unknown[]
    readonly name?: string
  }): Promise<{ readonly rows: unknown[] }>
  /** Every client of `pg` has it, its pool does not. */
  escapeLiteral(text: string): string
  /** From pg 8.21: the state after the last answer of the server. */
  getTransactionStatus?(): string | null
  /** False while an answer is still to come, and the state above may be an old one. */
  readonly readyForQuery?: boolean
  readonly totalCount?: never
}

/** How the adapter of `pg` works. */
export interface PgTransactionOptions {
  /**
   * The server keeps the plan of a publish for each connection (a prepared statement), which saves most of its cost. Never behind
   * a pooler such as PgBouncer, which is noticed. Where something has a session forget it, such as `DISCARD ALL`, the next
   * transaction fails once and may be run again; false spares that one. Default: true.
   */
  readonly prepare?: boolean | undefined
}

type PgStatus = 'idle' | 'open' | 'aborted' | 'unknown'

/** SQLSTATE `no_active_sql_transaction`. */
const NO_ACTIVE_TRANSACTION = '25P01'
/** SQLSTATE `invalid_sql_statement_name`. */
const NO_SUCH_STATEMENT = '26000'
const WHAT = 'a pg transaction'

/**
 * The transaction adapter of `pg`: pass the client on which you ran `BEGIN`.
 *
 * With pg >= 8.21 the client itself knows whether a transaction is open, and `check` costs nothing. An older pg does not, and
 * none does before the last answer is complete (a query that was not awaited, or one that just failed): there a savepoint goes
 * before the statement, which the server refuses outside a transaction (two more round trips). Throws `NOT_A_TRANSACTION`,
 * `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 *
 * @example
 * const client = await pool.connect()
 * await client.query('BEGIN')
 * await broadcaster.publish(client, { type: 'order.created', source: '/orders', data })
 * await client.query('COMMIT')
 */
export function pgTransaction(options: PgTransactionOptions = {}): TransactionAdapter<PgTransaction> {
  requireObject('pgTransaction()', options)
  const { prepare = true } = options
  const plans = new KeptPlans()
  /** Clients seen inside a transaction: with them "idle" means that it has ended. */
  const seen = new WeakSet<PgTransaction>()

  const refuseIdle = (tx: PgTransaction): never => {
    if (seen.has(tx)) throw transactionEnded(WHAT)
    throw notATransaction('a pg client without an open transaction', "await client.query('BEGIN') on it first")
  }

  const check = (tx: PgTransaction): void => {
    if (!isClient(tx)) {
      throw isPool(tx)
        ? notATransaction('a pg pool', 'take a client with pool.connect(), run BEGIN on it and pass that client')
        : notATransaction(describe(tx), 'pass the pg client on which you ran BEGIN')
    }
    const status = statusOf(tx)
    if (status === 'open') seen.add(tx)
    else if (status === 'aborted') throw transactionAborted(WHAT)
    else if (status === 'idle') refuseIdle(tx)
  }

  return {
    name: 'pg',
    dialect: 'postgres',
    check,
    async execute(tx: PgTransaction, statement: Statement): Promise<readonly Row[]> {
      if (statement.effect !== 'reads' && (statusOf(tx) === 'unknown' || tx.readyForQuery === false)) {
        await probe(tx, refuseIdle)
        seen.add(tx)
      }
      const text = numberedText(statement)
      const isKept = prepare && statement.keep === true
      // Of a transaction that is lent: its handle is another each time.
      const client = behindHandle(tx)
      const name = isKept ? plans.nameFor(client, text) : undefined
      const query = { text, values: [...statement.values], ...(name !== undefined && { name }) }
      const { rows } = await tx.query(query).catch((error: unknown) => {
        if (name !== undefined && hasCode(error, NO_SUCH_STATEMENT)) plans.forget()
        return refuseAborted(WHAT)(error)
      })
      if (isKept) plans.learn(client, rows as Row[])
      // A COMMIT that was not awaited may still have gone out before our statement: then the statement committed by
      // itself. With pipelining the answers arrive together and the state may be a later one, so it proves nothing
      // there.
      if (statusOf(tx) === 'idle' && !isPipelining(tx)) throw transactionEnded(WHAT)
      return rows as Row[]
    },
    isIntact: (tx) => statusOf(tx) === 'open' && tx.readyForQuery === true && !isPipelining(tx),
  }
}

function statusOf(tx: PgTransaction): PgStatus {
  switch (tx.getTransactionStatus?.()) {
    case 'T':
      return 'open'
    case 'E':
      return 'aborted'
    // A client that never connected has no status.
    case 'I':
    case null:
      return 'idle'
    default:
      return 'unknown'
  }
}

async function probe(tx: PgTransaction, refuseIdle: (tx: PgTransaction) => never): Promise<void> {
  await tx.query({ text: 'SAVEPOINT broadcaster_check', values: [] }).catch((error: unknown) => {
    if (hasCode(error, NO_ACTIVE_TRANSACTION)) refuseIdle(tx)
    return refuseAborted(WHAT)(error)
  })
  await tx.query({ text: 'RELEASE SAVEPOINT broadcaster_check', values: [] }).catch(refuseAborted(WHAT))
}

function isClient(tx: unknown): boolean {
  return hasMethods(tx, 'query') && !isPool(tx)
}

function isPool(tx: unknown): boolean {
  return isObject(tx) && 'totalCount' in tx
}

function isPipelining(tx: object): boolean {
  return 'pipeline' in tx && tx.pipeline === true
}
