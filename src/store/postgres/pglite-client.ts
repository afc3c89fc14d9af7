import type { PgliteTransaction } from '../../publish/transactions/pglite.ts'
import { refuseAborted } from '../../publish/transactions/refusal.ts'
import { type Client, type Clients, encodeValue, type Lender, type RawRow, type SqlValue } from './client.ts'
import { runAgainOnConflict, storeError } from './store-error.ts'

interface PgliteQueryOptions {
  readonly parsers: Record<number, (text: string) => string>
}

/** What we need of a transaction of PGlite. */
export interface PgliteStoreTransaction extends PgliteTransaction {
  query<T>(text: string, values?: unknown[], options?: PgliteQueryOptions): Promise<{ rows: T[] }>
  exec(text: string): Promise<unknown>
}

/** What we need of a `PGlite`. */
export interface PgliteDatabase {
  query<T>(text: string, values?: unknown[], options?: PgliteQueryOptions): Promise<{ rows: T[] }>
  transaction<T>(work: (tx: PgliteStoreTransaction) => Promise<T>): Promise<T>
  listen(channel: string, callback: (payload: string) => void): Promise<() => Promise<void>>
}

const identity = (text: string): string => text

/** Types that PGlite would parse, by object id: bool, bytea, int8, int2, int4, json, float4, float8, timestamptz, jsonb. */
const RAW: PgliteQueryOptions = {
  parsers: Object.fromEntries([16, 17, 20, 21, 23, 114, 700, 701, 1184, 3802].map((type) => [type, identity])),
}

/**
 * The store's clients on PGlite, which has one connection: transactions wait for one another. It has no limits: a statement keeps
 * this very process busy until it ends, and no lock of somebody else is in its way.
 */
export function pgliteClients(database: PgliteDatabase): Clients {
  const client: Client = {
    query: (text, values = []) => runAgainOnConflict(() => rowsOf(database, text, values)),
    transaction: (work) =>
      database.transaction((tx) =>
        finished(tx, () =>
          work({
            query: (text, values = []) => rowsOf(tx, text, values).catch(throwStoreError),
            script: async (text) => void (await tx.exec(text).catch(throwStoreError)),
          }),
        ),
      ),
  }
  const lender: Lender = {
    // PGlite's own handle refuses when its transaction is over.
    lend: (work) =>
      database.transaction((tx) =>
        finished(tx, () =>
          work({ native: tx, conclude: (text, values = []) => rowsOf(tx, text, values).catch(throwStoreError) }),
        ),
      ),
  }
  return {
    worker: client,
    heartbeat: client,
    operator: client,
    migration: client,
    handlers: lender,
    application: lender,
    close: async () => {},
  }
}

/** COMMIT of a transaction that an error has aborted is a rollback, and not every PGlite says so. */
async function finished<T>(tx: PgliteStoreTransaction, work: () => Promise<T>): Promise<T> {
  const result = await work()
  if (!tx.closed) await tx.query('SELECT 1').catch(refuseAborted('a PGlite transaction'))
  return result
}

async function rowsOf(
  on: Pick<PgliteDatabase, 'query'>,
  text: string,
  values: readonly SqlValue[],
): Promise<readonly RawRow[]> {
  return (await on.query<RawRow>(text, values.map(encodeValue), RAW)).rows
}

function throwStoreError(error: unknown): never {
  throw storeError(error)
}
