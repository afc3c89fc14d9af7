import { describe, hasMethods, notATransaction, refuseAborted, transactionEnded } from '../../transactions/refusal.ts'
import type { Lender } from '../loan-transaction.ts'
import { numberedText, type Row, type Statement } from '../statement.ts'
import type { WakeStore } from '../store.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'
import { type Client, type Clients, encodeValue, type Queries, type RawRow, type SqlValue } from './client.ts'
import { runAgainOnConflict, storeError } from './store-error.ts'
import type { Tables } from './tables.ts'

/**
 * What we need of PGlite's `Transaction`, the argument of the function given to `db.transaction`. The PGlite
 * instance itself does not fit: it has no `rollback`.
 */
export interface PgliteTransaction {
  query<T>(text: string, values?: unknown[]): Promise<{ rows: T[] }>
  rollback(): Promise<void>
  readonly closed: boolean
}

const WHAT = 'a PGlite transaction'

/**
 * The transaction adapter of PGlite. Throws `NOT_A_TRANSACTION` for the PGlite instance, `TRANSACTION_ENDED` for a
 * transaction that was committed or rolled back, `TRANSACTION_ABORTED` for one that an earlier error has aborted.
 *
 * @example
 * await db.transaction(async (tx) => {
 *   await broadcaster.publish(tx, { type: 'order.created', source: '/orders', data })
 * })
 */
export function pgliteTransaction(): TransactionAdapter<PgliteTransaction> {
  return {
    name: 'pglite',
    dialect: 'postgres',
    check(tx: PgliteTransaction): void {
      if (!hasMethods(tx, 'query', 'rollback') || !('closed' in tx)) {
        throw notATransaction(describe(tx), 'pass the argument of the function that you give to db.transaction()')
      }
      if (tx.closed) throw transactionEnded(WHAT)
    },
    async execute(tx: PgliteTransaction, statement: Statement): Promise<readonly Row[]> {
      const text = numberedText(statement)
      const { rows } = await tx.query<Row>(text, [...statement.values]).catch(refuseAborted(WHAT))
      return rows
    },
  }
}

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
          work({ ...queriesOn(tx), script: async (text) => void (await tx.exec(text).catch(throwStoreError)) }),
        ),
      ),
    snapshot: (work) =>
      client.transaction(async (tx) => {
        await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY')
        return work(tx)
      }),
  }
  const lender: Lender<Queries> = {
    // PGlite's own handle refuses when its transaction is over.
    lend: (work) =>
      database.transaction((tx) =>
        finished(tx, () => work({ native: tx, conclude: (settle) => settle(queriesOn(tx)) })),
      ),
  }
  return {
    worker: client,
    heartbeat: client,
    operator: client,
    check: client,
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

function queriesOn(tx: PgliteStoreTransaction): Queries {
  return { query: (text, values = []) => rowsOf(tx, text, values).catch(throwStoreError) }
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

/**
 * Wake-up on PGlite. It has one session, and a session never refuses itself a lock, so the relay says with a setting
 * that it waits.
 */
export function listenPglite(database: PgliteDatabase, client: Client, t: Tables): WakeStore {
  return {
    async listen(onWake) {
      const [row] = await client.query('SELECT $1::regclass::oid AS oid', [t.events])
      const oid = row?.['oid'] ?? ''
      const stop = await database.listen(`broadcaster_${oid}`, (payload) =>
        onWake(payload === '' ? 'events' : undefined),
      )
      let ended = false
      const setArmed = async (armed: 'yes' | 'no'): Promise<void> => {
        await client.query('SELECT set_config($1, $2, false)', [`broadcaster.armed_${oid}`, armed])
      }
      return {
        async arm() {
          await setArmed('yes')
          return true
        },
        disarm: () => setArmed('no'),
        async close() {
          if (ended) return
          ended = true
          await setArmed('no')
          await stop()
        },
      }
    },
  }
}
