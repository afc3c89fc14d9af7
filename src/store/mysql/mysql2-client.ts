import { BroadcasterError } from '../../errors.ts'
import { IN_TRANSACTION, isOpen, type Mysql2Query, type Mysql2Transaction } from '../../publish/transactions/mysql2.ts'
import type { Client, ClientTransaction, RawRow, Runs } from './client.ts'
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
}

/** The library's own reading of a value, not a function that the application gave its pool. */
const typeCast = (_field: unknown, next: () => unknown): unknown => next()

function queryOf({ text }: Sql): Mysql2Query {
  // With a list of values, if an empty one, nothing that looks like a named placeholder is looked for in the text.
  return { sql: text, values: [], rowsAsArray: false, nestTables: false, typeCast }
}

/** Of the next transaction alone, which a single statement is, too. */
const ISOLATION = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED'

/** The store's client on a pool of `mysql2/promise`. `pool` opens it at first use; `end` closes it, if it is ours. */
export function mysql2Client(pool: () => Promise<Mysql2Pool>, end: () => Promise<void>): Client {
  const connected = async <T>(work: (connection: Mysql2PoolConnection) => Promise<T>): Promise<T> => {
    const connection = await connect(pool)
    let usable = false
    try {
      const result = await work(connection)
      usable = true
      return result
    } catch (error) {
      usable = await rollBack(connection)
      throw error
    } finally {
      if (usable) connection.release()
      else connection.destroy()
    }
  }
  return {
    query: (statement) => runAgainOnConflict(() => connected((connection) => runsOn(connection).query(statement))),
    run: (statement) =>
      runAgainOnConflict(() =>
        connected(async (connection) => {
          await control(connection, ISOLATION)
          const { affectedRows, serverStatus } = await write(connection, statement)
          if ((serverStatus & IN_TRANSACTION) !== 0) throw noAutocommit()
          return affectedRows
        }),
      ),
    session: (work) => connected((connection) => work(runsOn(connection))),
    transaction: (work) =>
      connected(async (connection) => {
        await control(connection, ISOLATION)
        await control(connection, 'START TRANSACTION')
        const result = await work(transactionOn(connection))
        await control(connection, 'COMMIT')
        return result
      }),
    close: end,
  }
}

function transactionOn(connection: Mysql2PoolConnection): ClientTransaction {
  return {
    native: connection,
    ...runsOn(connection),
    async assertOpen() {
      if (await isOpen(connection).catch(throwStoreError)) return
      throw new BroadcasterError(
        'TRANSACTION_ENDED',
        'the transaction ended before its callback did: by a COMMIT or ROLLBACK, by a DDL statement, which commits it, or by a deadlock, which rolls it back, and whose error was caught',
        { field: 'tx' },
      )
    },
  }
}

function runsOn(connection: Mysql2PoolConnection): Runs {
  return {
    async query(statement) {
      const [rows] = await connection.query(queryOf(statement)).catch(throwStoreError)
      return rows as readonly RawRow[]
    },
    async run(statement) {
      return (await write(connection, statement)).affectedRows
    },
  }
}

/** What the server says after a write. */
interface Written {
  readonly affectedRows: number
  readonly serverStatus: number
}

async function write(connection: Mysql2PoolConnection, statement: Sql): Promise<Written> {
  const [result] = await connection.query(queryOf(statement)).catch(throwStoreError)
  return result as Written
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

async function control(connection: Mysql2PoolConnection, text: string): Promise<void> {
  await connection.query(queryOf({ text })).catch((error: unknown) => {
    throw errorNumber(error) === TRANSACTION_IN_PROGRESS ? noAutocommit() : storeError(error)
  })
}

async function connect(pool: () => Promise<Mysql2Pool>): Promise<Mysql2PoolConnection> {
  try {
    return await (await pool()).getConnection()
  } catch (error) {
    throw storeError(error)
  }
}

/** Whether the connection may go back to the pool. */
async function rollBack(connection: Mysql2PoolConnection): Promise<boolean> {
  try {
    await connection.query(queryOf({ text: 'ROLLBACK' }))
    return true
  } catch {
    return false
  }
}

function throwStoreError(error: unknown): never {
  throw storeError(error)
}
