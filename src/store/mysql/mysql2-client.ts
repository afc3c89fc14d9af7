import type { Mysql2Query, Mysql2Transaction } from '../../publish/transactions/mysql2.ts'
import type { Client, ClientTransaction, RawRow, Runs } from './client.ts'
import type { Sql } from './sql.ts'
import { runAgainOnConflict, storeError } from './store-error.ts'

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
  /** By itself a statement is a transaction, and an error in it leaves the connection as it was. */
  const alone = <T>(work: (runs: Runs) => Promise<T>): Promise<T> =>
    runAgainOnConflict(() => connected((connection) => work(runsOn(connection))))
  return {
    query: (statement) => alone((runs) => runs.query(statement)),
    run: (statement) => alone((runs) => runs.run(statement)),
    session: (work) => connected((connection) => work(runsOn(connection))),
    transaction: (work) =>
      connected(async (connection) => {
        await control(connection, 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED')
        await control(connection, 'START TRANSACTION')
        const result = await work(transactionOn(connection))
        await control(connection, 'COMMIT')
        return result
      }),
    close: end,
  }
}

function transactionOn(connection: Mysql2PoolConnection): ClientTransaction {
  return { native: connection, ...runsOn(connection) }
}

function runsOn(connection: Mysql2PoolConnection): Runs {
  return {
    async query(statement) {
      const [rows] = await connection.query(queryOf(statement)).catch(throwStoreError)
      return rows as readonly RawRow[]
    },
    async run(statement) {
      const [result] = await connection.query(queryOf(statement)).catch(throwStoreError)
      return (result as { readonly affectedRows: number }).affectedRows
    },
  }
}

async function control(connection: Mysql2PoolConnection, text: string): Promise<void> {
  await connection.query(queryOf({ text })).catch(throwStoreError)
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
