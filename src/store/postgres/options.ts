import { anything, flag, hasMethods, neededPlace, option } from '../../foundation/option-kinds.ts'
import { type ResolvedOf, readOptions } from '../../foundation/option-table.ts'
import { showWithoutSecrets } from '../../foundation/problem.ts'
import { type Place, placeOf, placeOfUrl } from '../place.ts'
import {
  type ResolvedStatementOptions,
  resolveStatementOptions,
  STATEMENTS,
  type StatementOptions,
} from '../statement-limits.ts'
import type { ListenClient } from './listen.ts'
import type { PgPool } from './pg-client.ts'
import type { PgTransactionOptions } from './pg-transaction.ts'
import type { PgliteDatabase } from './pglite.ts'

/** Where the outbox is, in any PostgreSQL. */
export interface OutboxPlace {
  /** The schema of the outbox's tables, at most 40 letters, digits and underscores. Default: by the search path. */
  readonly schema?: string | undefined
  /** The events table; the other tables are named after it. Default: `outbox_events`. */
  readonly table?: string | undefined
}

/** How relays learn of commits. */
export interface ListenOption {
  /**
   * True: on one connection more, taken from the pool and kept. `{ url }`: on a connection of its own, past a PgBouncer
   * in transaction mode. A function: on the connected client of `pg` that it returns, and that nothing else uses; it is
   * ended with `end()`. False: relays poll. Default: true, but false on a pool whose `max` is 1, of which nothing would
   * be left to work with.
   */
  readonly listen?: boolean | { readonly url: string } | (() => Promise<DedicatedClient>) | undefined
}

/** What we need of a `pg.Client` that was made for listening. */
export interface DedicatedClient extends ListenClient {
  end(): Promise<void>
}

/** A pool of the application. It stays the application's: `close` leaves it open. */
export interface PostgresPoolOptions extends OutboxPlace, ListenOption, StatementOptions, PgTransactionOptions {
  /** The pool, which you open and close. */
  readonly pool: PgPool
}

/** A pool of our own, opened at first use and closed by `close`. Needs the package `pg`. */
export interface PostgresUrlOptions extends OutboxPlace, ListenOption, StatementOptions, PgTransactionOptions {
  /** `postgres://user:password@host:5432/database`; undefined, as of a variable that is not set, is refused. */
  readonly url: string | undefined
}

/** PGlite: PostgreSQL in this process. It stays the application's: `close` leaves it open. */
export interface PostgresPgliteOptions extends OutboxPlace {
  /** The database, which you open and close. */
  readonly pglite: PgliteDatabase
  /** False: relays poll. Default: true. */
  readonly listen?: boolean | undefined
}

/** The options of `postgres()`: by a pool, a url or PGlite. */
export type PostgresOptions = PostgresPoolOptions | PostgresUrlOptions | PostgresPgliteOptions

/** The options, each checked. */
export interface ResolvedOptions {
  readonly via: { readonly pool: PgPool } | { readonly pglite: PgliteDatabase } | { readonly url: string }
  readonly table: string
  readonly schema: string | undefined
  readonly listen: NonNullable<ListenOption['listen']>
  readonly statements: ResolvedStatementOptions
  readonly prepare: boolean
}

const WAYS = ['pool', 'pglite', 'url'] as const

const POSTGRES = {
  pool: neededPlace(
    option<PgPool, PgPool | undefined>('a Pool of the package pg', undefined, (value) => {
      return hasMethods(value, ['query', 'connect']) && 'totalCount' in Object(value)
    }),
  ),
  pglite: neededPlace(
    option<PgliteDatabase, PgliteDatabase | undefined>('a PGlite instance', undefined, (value) => {
      return hasMethods(value, ['query', 'transaction', 'listen'])
    }),
  ),
  url: neededPlace(
    option<string, string | undefined>('a URL such as postgres://user@host:5432/database', undefined, isPostgresUrl),
  ),
  // The rules for names are those of `tablesOf`.
  schema: anything<string>(),
  table: anything<string>(),
  // What it may be depends on what the store connects with.
  listen: anything<NonNullable<ListenOption['listen']>>(),
  prepare: flag(true),
  ...STATEMENTS,
}

/** Checks the options of `postgres()`; all problems are reported at once, as `INVALID_OPTION`. */
export function resolveOptions(options: PostgresOptions): ResolvedOptions {
  return readOptions('postgres()', POSTGRES, options ?? {}, (read, { given, refuse }): ResolvedOptions => {
    const { pool, pglite, table, schema } = read
    const ways = WAYS.filter((name) => given[name] !== undefined)
    const [first = 'pool', ...others] = ways
    const cure = 'give one of pool, pglite and url'
    if (others.length > 0) refuse(first, `is given together with ${others.join(' and ')}; ${cure}`)
    // One that is given but undefined was reported already.
    else if (ways.length === 0 && !WAYS.some((name) => name in (options ?? {}))) refuse(first, `is missing; ${cure}`)
    checkListen(read, (message) => refuse('listen', message))
    const listen = read.listen ?? !hasOneConnection(pool)
    const room = pool && { size: sizeOf(pool), listens: listen === true }
    const statements = resolveStatementOptions(read, refuse, room)
    const own = (['connections', 'transactions', 'statementTimeout', 'prepare'] as const).find(
      (name) => given[name] !== undefined,
    )
    if (pglite !== undefined && own !== undefined) {
      refuse(own, 'has no effect with pglite, which has one connection, no clock, and no names for statements')
    }
    const via = pool ? { pool } : pglite ? { pglite } : { url: read.url ?? '' }
    return {
      via,
      table: table === undefined ? 'outbox_events' : table,
      schema,
      listen,
      statements,
      prepare: read.prepare,
    }
  })
}

function checkListen({ listen, pool, pglite }: ResolvedOf<typeof POSTGRES>, refuse: (message: string) => void): void {
  if (listen === true && hasOneConnection(pool)) {
    refuse('would keep the only connection of the pool; make the pool larger, or give { url }')
  }
  if (listen === undefined || typeof listen === 'boolean') return
  if (pglite !== undefined) refuse('can only be true or false with pglite, which has one connection')
  else if (!isListen(listen)) {
    const unset = isObject(listen) && 'url' in listen && listen['url'] === undefined
    const shown = unset
      ? 'an object whose url is undefined (is the environment variable set?)'
      : showWithoutSecrets(listen)
    refuse(`is ${shown}; give true, false, { url: 'postgres://...' } or a function`)
  }
}

function isListen(listen: unknown): boolean {
  if (typeof listen === 'function') return true
  return isObject(listen) && isPostgresUrl(listen['url']) && Object.keys(listen).length === 1
}

/** `pg` takes any text: it would look for a host called "base", or speak to a server of MySQL. A path is that of a socket. */
function isPostgresUrl(value: unknown): value is string {
  return typeof value === 'string' && /^(postgres(ql)?:\/\/|socket:|\/)/i.test(value) && isReadByPg(value)
}

/** As `pg` reads it, which encodes what is not, and lets a host be missing. */
function isReadByPg(url: string): boolean {
  const encoded = / |%[^a-f0-9]|%[a-f0-9][^a-f0-9]/i.test(url) ? encodeURI(url).replace(/%25(\d\d)/g, '%$1') : url
  return [encoded, encoded.replace('@/', '@host/')].some((text) => URL.canParse(text, 'postgres://base'))
}

function hasOneConnection(pool: unknown): boolean {
  return sizeOf(pool) === 1
}

/** How many connections a pool has at most, where it tells. */
function sizeOf(pool: unknown): number | undefined {
  const max = isObject(pool) && isObject(pool['options']) ? pool['options']['max'] : undefined
  return typeof max === 'number' && max >= 1 ? max : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Host and database, as far as the options tell, and where the schema comes from when they do not. */
export function placeOfOptions({ via, schema }: ResolvedOptions): string {
  return `${connection(via)}${schema === undefined ? ', in the schema of its search path' : ''}`
}

function connection(via: ResolvedOptions['via']): string {
  if ('url' in via) return placeOfUrl(via.url)
  if ('pglite' in via) {
    const { dataDir } = via.pglite as { readonly dataDir?: unknown }
    return typeof dataDir === 'string' && dataDir !== '' ? `PGlite ${dataDir}` : 'PGlite in memory'
  }
  const { options } = via.pool as { readonly options?: Place & { readonly connectionString?: unknown } }
  if (typeof options?.connectionString === 'string') return placeOfUrl(options.connectionString)
  return placeOf(options ?? {})
}
