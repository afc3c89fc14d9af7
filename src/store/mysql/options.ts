import { anything, neededPlace, option } from '../../foundation/option-kinds.ts'
import { readOptions } from '../../foundation/option-table.ts'
import { showWithoutSecrets } from '../../foundation/problem.ts'
import { type Place, placeOf, placeOfUrl } from '../place.ts'
import {
  type ResolvedStatementOptions,
  resolveStatementOptions,
  STATEMENTS,
  type StatementOptions,
} from '../statement-limits.ts'
import type { Mysql2Pool } from './mysql2-client.ts'

/** Where in the server the outbox is. */
export interface OutboxPlace {
  /** The database of the outbox's tables, at most 53 letters, digits and underscores. Default: the connection's. */
  readonly database?: string | undefined
  /** The events table; the other tables are named after it. Default: `outbox_events`. */
  readonly table?: string | undefined
}

/** A pool of the application, of `mysql2/promise`. It stays the application's: `close` leaves it open. */
export interface MysqlPoolOptions extends OutboxPlace, StatementOptions {
  /** The pool, which you open and close. */
  readonly pool: Mysql2Pool
}

/** A pool of our own, opened at first use and closed by `close`. Needs the package `mysql2`. */
export interface MysqlUrlOptions extends OutboxPlace, StatementOptions {
  /** `mysql://user:password@host:3306/database`; undefined, as from a variable that is not set, is refused. */
  readonly url: string | undefined
}

export type MysqlOptions = MysqlPoolOptions | MysqlUrlOptions

/** The options, each checked. */
export interface ResolvedOptions {
  readonly via: { readonly pool: Mysql2Pool } | { readonly url: string }
  readonly table: string
  readonly database: string | undefined
  readonly statements: ResolvedStatementOptions
}

const WAYS = ['pool', 'url'] as const

const MYSQL = {
  pool: neededPlace(anything<Mysql2Pool>()),
  url: neededPlace(
    option<string, string | undefined>('a URL such as mysql://user@host:3306/database', undefined, (value) => {
      return typeof value === 'string' && /^(mysql|mariadb):\/\//.test(value)
    }),
  ),
  // The rules for names are those of `tablesOf`.
  database: anything<string>(),
  table: anything<string>(),
  ...STATEMENTS,
}

/** Checks the options of `mysql()`; all problems are reported at once, as `INVALID_OPTION`. */
export function resolveOptions(options: MysqlOptions): ResolvedOptions {
  return readOptions('mysql()', MYSQL, options ?? {}, (read, { given, refuse }): ResolvedOptions => {
    const { pool, url, table, database } = read
    const ways = WAYS.filter((name) => given[name] !== undefined)
    if (ways.length > 1) refuse('pool', 'is given together with url; give one of pool and url')
    // One that was given as undefined has been reported already.
    else if (ways.length === 0 && !WAYS.some((name) => name in (options ?? {}))) {
      refuse('pool', 'is missing; give one of pool and url')
    }
    if (pool !== undefined) checkPool(pool, (message) => refuse('pool', message))
    const room = pool === undefined ? undefined : { size: sizeOf(pool), listens: false }
    return {
      via: pool === undefined ? { url: url ?? '' } : { pool },
      table: table === undefined ? 'outbox_events' : table,
      database,
      statements: resolveStatementOptions(read, refuse, room),
    }
  })
}

function checkPool(pool: unknown, refuse: (message: string) => void): void {
  if (typeof pool !== 'object' || pool === null || !('getConnection' in pool)) {
    refuse(`is ${showWithoutSecrets(pool)}; give a pool of mysql2/promise`)
    return
  }
  // A pool of `mysql2` itself uses callbacks, and awaiting it would never end.
  if ('promise' in pool && typeof pool.promise === 'function') {
    refuse('is a pool of mysql2 with callbacks; give pool.promise(), or one of mysql2/promise')
  }
}

/** A pool's maximum size, if known: the library keeps it in the callback pool inside. */
function sizeOf(pool: unknown): number | undefined {
  const { pool: inner } = (pool ?? {}) as {
    readonly pool?: { readonly config?: { readonly connectionLimit?: unknown } }
  }
  const limit = inner?.config?.connectionLimit
  return typeof limit === 'number' && limit >= 1 ? limit : undefined
}

/** Host and database, as far as the options tell. */
export function placeOfOptions({ via, database }: ResolvedOptions): string {
  if ('url' in via) return placeOfUrl(via.url)
  const { pool } = via.pool as { readonly pool?: { readonly config?: { readonly connectionConfig?: Place } } }
  const config = pool?.config?.connectionConfig ?? {}
  return placeOf({ host: config.host, port: config.port, database: database ?? config.database })
}
