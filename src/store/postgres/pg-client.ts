import { BroadcasterError } from '../../errors.ts'
import type { PgTransaction } from '../../publish/transactions/pg.ts'
import { type Client, type ClientTransaction, encodeValue, type RawRow, type SqlValue } from './client.ts'
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
}

/** PostgreSQL's own text of every value: a parser that the user set on `pg.types` must not change what we read. */
const RAW = {
  getTypeParser:
    () =>
    (text: string): string =>
      text,
}

function queryOf(text: string, values: readonly SqlValue[]): PgQuery {
  return { text, values: values.map(encodeValue), types: RAW }
}

/** The store's client on a pool of `pg`. `pool` opens it at first use; `end` closes it, if it is ours. */
export function pgClient(pool: () => Promise<PgPool>, end: () => Promise<void>): Client {
  return {
    query(text, values = []) {
      return runAgainOnConflict(async () => (await (await pool()).query(queryOf(text, values))).rows as RawRow[])
    },
    async transaction(work) {
      const client = await connect(pool)
      let usable = false
      try {
        await client.query('BEGIN ISOLATION LEVEL READ COMMITTED').catch(throwStoreError)
        const result = await work(transactionOn(client))
        const { command } = await client.query('COMMIT').catch(throwStoreError)
        usable = true
        // COMMIT of a transaction that an error has aborted succeeds, as a rollback.
        if (command === 'ROLLBACK') {
          throw new BroadcasterError(
            'TRANSACTION_ABORTED',
            'the transaction was rolled back by PostgreSQL, since a statement in it had failed and the error was caught',
          )
        }
        return result
      } catch (error) {
        if (!usable) usable = await rollBack(client)
        throw error
      } finally {
        client.removeListener('error', ignore)
        client.release(!usable)
      }
    },
    close: end,
  }
}

function transactionOn(client: PgPoolClient): ClientTransaction {
  return {
    native: client,
    async query(text, values = []) {
      return (await client.query(queryOf(text, values)).catch(throwStoreError)).rows as RawRow[]
    },
    async script(text) {
      await client.query(text).catch(throwStoreError)
    },
  }
}

/**
 * A client with a listener for `error`: the pool takes its own away from the clients that it hands out, and the loss of
 * a connection, unheard, would end the process. The next statement on it fails, and says why.
 */
async function connect(pool: () => Promise<PgPool>): Promise<PgPoolClient> {
  try {
    const client = await (await pool()).connect()
    client.on('error', ignore)
    return client
  } catch (error) {
    throw storeError(error)
  }
}

function ignore(): void {}

/** Whether the connection may go back to the pool. */
async function rollBack(client: PgPoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK')
    return true
  } catch {
    return false
  }
}

function throwStoreError(error: unknown): never {
  throw storeError(error)
}
