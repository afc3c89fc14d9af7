import { BroadcasterError } from '../../errors.ts'
import { joinStatement, type Row, type Statement } from '../../store/statement.ts'
import type { Effect, TransactionAdapter } from '../../store/transaction-adapter.ts'

/**
 * What we need of a `pg.PoolClient` or `pg.Client` on which `BEGIN` was run. A `pg.Pool` does not fit: each of its
 * queries may run on another connection, so nothing sent through it can belong to a transaction.
 */
export interface PgTransaction {
  query(config: { readonly text: string; readonly values: unknown[] }): Promise<{ readonly rows: unknown[] }>
  /** Every client of `pg` has it, its pool does not. */
  escapeLiteral(text: string): string
  /** From pg 8.21: the state after the last answer of the server. */
  getTransactionStatus?(): string | null
  /** False while an answer is under way, and the state above may be an old one. */
  readonly readyForQuery?: boolean
  readonly totalCount?: never
}

type PgStatus = 'idle' | 'open' | 'aborted' | 'unknown'

/** SQLSTATE `no_active_sql_transaction` and `in_failed_sql_transaction`. */
const NO_ACTIVE_TRANSACTION = '25P01'
const FAILED_TRANSACTION = '25P02'

/**
 * The transaction adapter of `pg`: pass the client on which you ran `BEGIN`.
 *
 * With pg >= 8.21 the client itself knows whether a transaction is open, and `check` costs nothing. An older pg does
 * not, and none does before the last answer is complete (a query that nobody awaited, or one that just failed): there
 * a savepoint goes before the statement, which the server refuses outside a transaction (two more round trips). Throws `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or `TRANSACTION_ABORTED`.
 *
 * @example
 * const client = await pool.connect()
 * await client.query('BEGIN')
 * await broadcaster.publish(client, { type: 'order.created', source: '/orders', data })
 * await client.query('COMMIT')
 */
export function pgTransaction(): TransactionAdapter<PgTransaction> {
  /** Clients seen inside a transaction: with them "idle" means that it has ended. */
  const seen = new WeakSet<PgTransaction>()

  const refuseIdle = (tx: PgTransaction): never => {
    if (seen.has(tx)) throw ended()
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
    else if (status === 'aborted') throw aborted()
    else if (status === 'idle') refuseIdle(tx)
  }

  return {
    name: 'pg',
    dialect: 'postgres',
    check,
    async execute(tx: PgTransaction, statement: Statement, effect?: Effect): Promise<readonly Row[]> {
      if (effect !== 'reads' && (statusOf(tx) === 'unknown' || tx.readyForQuery === false)) {
        await probe(tx, refuseIdle)
        seen.add(tx)
      }
      const text = joinStatement(statement, (n) => `$${n}`)
      const { rows } = await tx.query({ text, values: [...statement.values] }).catch(refuseAborted)
      // A COMMIT that nobody awaited may still have gone out before our statement: then it stood alone. With
      // pipelining the answers arrive together and the state may be a later one, so it proves nothing there.
      if (statusOf(tx) === 'idle' && !isPipelining(tx)) throw ended()
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
    if (codeOf(error) === NO_ACTIVE_TRANSACTION) refuseIdle(tx)
    return refuseAborted(error)
  })
  await tx.query({ text: 'RELEASE SAVEPOINT broadcaster_check', values: [] }).catch(refuseAborted)
}

function refuseAborted(error: unknown): never {
  throw codeOf(error) === FAILED_TRANSACTION ? aborted(error) : error
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function isClient(tx: unknown): boolean {
  return isObject(tx) && typeof tx['query'] === 'function' && !isPool(tx)
}

function isPool(tx: unknown): boolean {
  return isObject(tx) && 'totalCount' in tx
}

function isPipelining(tx: object): boolean {
  return 'pipeline' in tx && tx.pipeline === true
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'object' ? 'an object without query()' : `a value of type ${typeof value}`
}

function notATransaction(what: string, cure: string): BroadcasterError {
  return new BroadcasterError('NOT_A_TRANSACTION', `tx is ${what}, not an open transaction; ${cure}`, { field: 'tx' })
}

function ended(): BroadcasterError {
  return new BroadcasterError(
    'TRANSACTION_ENDED',
    'tx is a pg client whose transaction has ended; publish before COMMIT or ROLLBACK, and await each query',
    { field: 'tx' },
  )
}

function aborted(cause?: unknown): BroadcasterError {
  return new BroadcasterError(
    'TRANSACTION_ABORTED',
    'tx is a pg client whose transaction was aborted by an earlier error; roll back, to a savepoint or wholly',
    { field: 'tx', cause },
  )
}
