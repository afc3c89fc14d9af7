import { type Problem, showWithoutSecrets, throwProblems } from '../../problem.ts'
import { suggestion } from '../../suggestion.ts'
import { UNDEFINED_PLACE, undefinedOption } from '../../undefined-option.ts'
import {
  type ResolvedStatementOptions,
  resolveStatementOptions,
  STATEMENT_OPTIONS,
  type StatementOptions,
} from '../statement-limits.ts'
import type { Mysql2Pool } from './mysql2-client.ts'

/** Where the outbox is, in any MySQL. */
export interface OutboxPlace {
  /** The database of the outbox's tables, at most 53 letters, digits and underscores. Default: the connection's. */
  readonly database?: string | undefined
  /** The events table; the other tables are named after it. Default: `outbox_events`. */
  readonly table?: string | undefined
}

/** A pool of the application, of `mysql2/promise`. It stays the application's: `close` leaves it open. */
export interface MysqlPoolOptions extends OutboxPlace, StatementOptions {
  readonly pool: Mysql2Pool
}

/** A pool of our own, opened at first use and closed by `close`. Needs the package `mysql2`. */
export interface MysqlUrlOptions extends OutboxPlace, StatementOptions {
  /** `mysql://user:password@host:3306/database`. */
  readonly url: string
}

export type MysqlOptions = MysqlPoolOptions | MysqlUrlOptions

/** The options, each checked. */
export interface ResolvedOptions {
  readonly via: { readonly pool: Mysql2Pool } | { readonly url: string }
  readonly table: string
  readonly database: string | undefined
  readonly statements: ResolvedStatementOptions
}

const KNOWN = ['pool', 'url', 'database', 'table', ...STATEMENT_OPTIONS] as const

/** Checks the options of `mysql()`; all problems are told at once, as `INVALID_OPTION`. */
export function resolveOptions(options: MysqlOptions): ResolvedOptions {
  const problems: Problem[] = []
  const refuse = (field: string, message: string): void => {
    // No value: each of them may hold a password, a misspelt name too.
    problems.push({ code: 'INVALID_OPTION', field, value: undefined, message })
  }
  const given = new Map<string, unknown>(Object.entries(options ?? {}).filter(([, value]) => value !== undefined))
  for (const name of given.keys()) {
    if (!(KNOWN as readonly string[]).includes(name)) {
      refuse(name, `is no option of mysql()${suggestion(name, KNOWN) || `; it takes ${KNOWN.join(', ')}`}`)
    }
  }
  const ways = ['pool', 'url'].filter((name) => given.has(name))
  const unset = undefinedOption(options, ['pool', 'url'])
  if (ways.length === 0 && unset !== undefined) refuse(unset, UNDEFINED_PLACE)
  else if (ways.length !== 1) {
    refuse('pool', `${ways.length === 0 ? 'is missing' : 'is given together with url'}; give one of pool and url`)
  }
  const pool = given.get('pool')
  if (given.has('pool')) checkPool(pool, refuse)
  const url = given.get('url')
  if (url !== undefined && (typeof url !== 'string' || !/^(mysql|mariadb):\/\//.test(url))) {
    refuse('url', `is ${showWithoutSecrets(url)}; give a URL such as mysql://user@host:3306/database`)
  }
  const statements = resolveStatementOptions(given, refuse)
  throwProblems('mysql()', problems)
  return {
    via: given.has('pool') ? { pool: pool as Mysql2Pool } : { url: url as string },
    table: options.table ?? 'outbox_events',
    database: options.database,
    statements,
  }
}

function checkPool(pool: unknown, refuse: (field: string, message: string) => void): void {
  if (typeof pool !== 'object' || pool === null || !('getConnection' in pool)) {
    refuse('pool', `is ${showWithoutSecrets(pool)}; give a pool of mysql2/promise`)
    return
  }
  // The pool of `mysql2` itself calls back, and waits for ever when it is awaited.
  if ('promise' in pool && typeof pool.promise === 'function') {
    refuse('pool', 'is a pool of mysql2 with callbacks; give pool.promise(), or one of mysql2/promise')
  }
}
