import { BroadcasterError } from '../../errors.ts'
import { isOpenBy, throwTranslated } from '../../transactions/mysql-answer.ts'
import { describe, hasMethods, notATransaction } from '../../transactions/refusal.ts'
import { joinStatement, type Row, type Statement } from '../statement.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'

/** A query as `mysql2` takes it; it overrides what the connection was configured with. */
export interface Mysql2Query {
  readonly sql: string
  readonly values: (string | number | null)[]
  readonly rowsAsArray: false
  readonly nestTables: false
  readonly typeCast: (field: unknown, next: () => unknown) => unknown
}

/**
 * What we need of a `PoolConnection` or `Connection` of `mysql2/promise` on which a transaction was begun. A `Pool`
 * does not fit: each of its queries may run on another connection, so nothing sent through it can belong to a
 * transaction. A connection of `mysql2` itself, with callbacks, fits as `connection.promise()`.
 */
export interface Mysql2Transaction {
  query(query: Mysql2Query): Promise<[unknown, unknown]>
  /** A prepared statement: no value is written into the text, where its meaning would depend on `sql_mode`. */
  execute(query: Mysql2Query): Promise<[unknown, unknown]>
  /** Connections have it, pools do not. */
  beginTransaction(): Promise<unknown>
  readonly getConnection?: never
}

/** From this many bytes on a statement may be too large; no server's default is smaller. */
const LARGE = 1_000_000
/** Bytes of a value besides its text. */
const OVERHEAD = 12

/**
 * The transaction adapter of `mysql2/promise`: pass the connection on which you began a transaction.
 *
 * The client does not know whether a transaction is open, so the server is asked before each write with its cheapest
 * statement (`DO 0`, one round trip). A transaction may end without the caller asking for it: any DDL statement commits
 * it, a deadlock rolls it back; a statement sent afterwards would commit by itself. Throws `NOT_A_TRANSACTION` or
 * `TRANSACTION_ENDED` before anything is written; `TRANSACTION_CONFLICT` when a deadlock has rolled the transaction
 * back, `STORE_BUSY` after a lock wait timeout, `EVENT_TOO_LARGE` over `max_allowed_packet`.
 *
 * @example
 * const connection = await pool.getConnection()
 * await connection.beginTransaction()
 * await broadcaster.publish(connection, { type: 'order.created', source: '/orders', data })
 * await connection.commit()
 */
export function mysql2Transaction(): TransactionAdapter<Mysql2Transaction> {
  /** Connections seen inside a transaction: for them "idle" means that it has ended. */
  const seen = new WeakSet<Mysql2Transaction>()

  const requireOpen = async (tx: Mysql2Transaction): Promise<void> => {
    if (!(await isOpen(tx))) {
      if (seen.has(tx)) throw ended()
      throw notATransaction(
        'a mysql2 connection without an open transaction',
        'call connection.beginTransaction() first',
      )
    }
    seen.add(tx)
  }

  return {
    name: 'mysql2',
    dialect: 'mysql',
    check(tx) {
      if (isConnection(tx)) return
      throw hasMethods(tx, 'getConnection')
        ? notATransaction(
            'a mysql2 pool',
            'take a connection with pool.getConnection(), begin a transaction and pass it',
          )
        : notATransaction(
            isCallback(tx) ? 'a mysql2 connection with callbacks (pass connection.promise())' : describe(tx),
            'pass the connection of mysql2/promise on which you began a transaction',
          )
    },
    async execute(tx: Mysql2Transaction, statement: Statement): Promise<readonly Row[]> {
      if (statement.effect !== 'reads') await requireOpen(tx)
      const query = queryOf(
        joinStatement(statement, () => '?'),
        statement.values as readonly (string | number | null)[],
      )
      await checkSize(tx, query)
      // Some statements, such as SAVEPOINT, cannot be prepared.
      const running = query.values.length === 0 ? tx.query(query) : tx.execute(query)
      const [rows] = await running.catch(throwTranslated)
      return Array.isArray(rows) ? (rows as Row[]) : []
    },
  }
}

function queryOf(sql: string, values: readonly (string | number | null)[]): Mysql2Query {
  // The library's own conversion, not one that the application gave its connection.
  return { sql, values: [...values], rowsAsArray: false, nestTables: false, typeCast: (_field, next) => next() }
}

/** Asks the server whether a transaction is open: one round trip. */
export async function isOpen(tx: Pick<Mysql2Transaction, 'query'>): Promise<boolean> {
  const [answer] = await tx.query(queryOf('DO 0', []))
  return isOpenBy(answer) === true
}

/**
 * A statement over `max_allowed_packet` costs the connection, the transaction with it, and often the answer that says
 * why. So for a large one the limit is asked for first.
 */
async function checkSize(tx: Mysql2Transaction, { sql, values }: Mysql2Query): Promise<void> {
  const size = values.reduce<number>((sum, value) => sum + OVERHEAD + Buffer.byteLength(String(value)), sql.length)
  if (size < LARGE) return
  const [rows] = await tx.query(queryOf('SELECT @@max_allowed_packet AS most', []))
  const most = Number((rows as readonly { readonly most: unknown }[])[0]?.most)
  if (size <= most) return
  throw new BroadcasterError(
    'EVENT_TOO_LARGE',
    `what is published at once takes ${size} bytes, and the server's max_allowed_packet is ${most}; publish less, or raise it`,
    { value: size },
  )
}

function isConnection(tx: unknown): boolean {
  return hasMethods(tx, 'execute', 'beginTransaction') && !isCallback(tx)
}

/** A connection of `mysql2` itself, whose methods take callbacks. */
function isCallback(tx: unknown): boolean {
  return hasMethods(tx, 'promise')
}

function ended(): BroadcasterError {
  return new BroadcasterError(
    'TRANSACTION_ENDED',
    'tx is a mysql2 connection whose transaction has ended: by commit or rollback, by a DDL statement, which commits it, or by a deadlock, which rolls it back; publish before that',
    { field: 'tx' },
  )
}
