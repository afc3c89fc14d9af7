import { type Problem, showWithoutSecrets, throwProblems } from '../../problem.ts'
import { suggestion } from '../../suggestion.ts'
import { UNDEFINED_PLACE, undefinedOption } from '../../undefined-option.ts'
import {
  type ResolvedStatementOptions,
  resolveStatementOptions,
  STATEMENT_OPTIONS,
  type StatementOptions,
} from '../statement-limits.ts'
import type { ListenClient } from './listen.ts'
import type { PgPool } from './pg-client.ts'
import type { PgliteDatabase } from './pglite-client.ts'

/** Where the outbox is, in any PostgreSQL. */
export interface OutboxPlace {
  /** The schema of the outbox's tables, at most 40 letters, digits and underscores. Default: by the search path. */
  readonly schema?: string | undefined
  /** The events table; the other tables are named after it. Default: `outbox_events`. */
  readonly table?: string | undefined
}

/** How relays hear of commits. */
export interface ListenOption {
  /**
   * True: on one connection more, taken from the pool and kept. `{ connectionString }`: on a connection of its own,
   * past a PgBouncer in transaction mode. A function: on the connected client of `pg` that it returns, and that
   * nobody else uses; it is ended with `end()`. False: relays poll. Default: true, but false on a pool whose `max` is
   * 1, of which nothing would be left to work with.
   */
  readonly listen?: boolean | { readonly connectionString: string } | (() => Promise<DedicatedClient>) | undefined
}

/** What we need of a `pg.Client` that was made for listening. */
export interface DedicatedClient extends ListenClient {
  end(): Promise<void>
}

/** A pool of the application. It stays the application's: `close` leaves it open. */
export interface PostgresPoolOptions extends OutboxPlace, ListenOption, StatementOptions {
  readonly pool: PgPool
}

/** A pool of our own, opened at first use and closed by `close`. Needs the package `pg`. */
export interface PostgresUrlOptions extends OutboxPlace, ListenOption, StatementOptions {
  /** `postgres://user:password@host:5432/database`. */
  readonly connectionString?: string | undefined
  /** The same as `connectionString`. */
  readonly url?: string | undefined
}

/** PGlite: PostgreSQL in this process. It stays the application's: `close` leaves it open. */
export interface PostgresPgliteOptions extends OutboxPlace {
  readonly pglite: PgliteDatabase
  /** False: relays poll. Default: true. */
  readonly listen?: boolean | undefined
}

export type PostgresOptions = PostgresPoolOptions | PostgresUrlOptions | PostgresPgliteOptions

/** The options, each checked. */
export interface ResolvedOptions {
  readonly via: { readonly pool: PgPool } | { readonly pglite: PgliteDatabase } | { readonly connectionString: string }
  readonly table: string
  readonly schema: string | undefined
  readonly listen: NonNullable<ListenOption['listen']>
  readonly statements: ResolvedStatementOptions
}

const WAYS = ['pool', 'pglite', 'connectionString', 'url'] as const
const KNOWN = [...WAYS, 'schema', 'table', 'listen', ...STATEMENT_OPTIONS] as const

/** Checks the options of `postgres()`; all problems are told at once, as `INVALID_OPTION`. */
export function resolveOptions(options: PostgresOptions): ResolvedOptions {
  const problems: Problem[] = []
  const refuse = (field: string, message: string): void => {
    // No value: each of them may hold a password, a misspelt name too.
    problems.push({ code: 'INVALID_OPTION', field, value: undefined, message })
  }
  const given = new Map<string, unknown>(Object.entries(options ?? {}).filter(([, value]) => value !== undefined))
  for (const name of given.keys()) {
    if (!(KNOWN as readonly string[]).includes(name)) {
      refuse(name, `is no option of postgres()${suggestion(name, KNOWN) || `; it takes ${KNOWN.join(', ')}`}`)
    }
  }
  const ways = WAYS.filter((name) => given.has(name))
  const unset = undefinedOption(options, WAYS)
  if (ways.length === 0 && unset !== undefined) refuse(unset, UNDEFINED_PLACE)
  else if (ways.length !== 1) {
    const found = ways.length === 0 ? 'is missing' : `is given together with ${ways.slice(1).join(' and ')}`
    refuse(ways[0] ?? 'pool', `${found}; give one of pool, pglite, connectionString and url`)
  }
  const pool = given.get('pool')
  if (given.has('pool') && !(hasMethods(pool, 'query', 'connect') && 'totalCount' in pool)) {
    refuse('pool', `is ${showWithoutSecrets(pool)}; give a Pool of the package pg`)
  }
  const pglite = given.get('pglite')
  if (given.has('pglite') && !hasMethods(pglite, 'query', 'transaction', 'listen')) {
    refuse('pglite', `is ${showWithoutSecrets(pglite)}; give a PGlite instance`)
  }
  const urlField = given.has('url') ? 'url' : 'connectionString'
  const url = given.get(urlField)
  if (url !== undefined && !isConnectionString(url)) {
    refuse(urlField, `is ${showWithoutSecrets(url)}; give a URL such as postgres://user@host:5432/database`)
  }
  checkListen(given, refuse)
  const statements = resolveStatementOptions(given, refuse)
  const own = STATEMENT_OPTIONS.find((name) => given.has(name))
  if (given.has('pglite') && own !== undefined)
    refuse(own, 'is nothing for pglite, which has one connection and no clock')
  throwProblems('postgres()', problems)
  return {
    via: given.has('pool')
      ? { pool: pool as PgPool }
      : given.has('pglite')
        ? { pglite: pglite as PgliteDatabase }
        : { connectionString: url as string },
    table: options.table ?? 'outbox_events',
    schema: options.schema,
    listen: options.listen ?? !hasOneConnection(pool),
    statements,
  }
}

function checkListen(given: ReadonlyMap<string, unknown>, refuse: (field: string, message: string) => void): void {
  const listen = given.get('listen')
  if (listen === true && hasOneConnection(given.get('pool'))) {
    refuse('listen', 'would keep the only connection of the pool; give the pool more, or { connectionString }')
  }
  if (listen === undefined || typeof listen === 'boolean') return
  if (given.has('pglite')) {
    refuse('listen', 'can only be true or false with pglite, which has one connection')
  } else if (
    typeof listen !== 'function' &&
    !(isObject(listen) && isConnectionString(listen['connectionString']) && Object.keys(listen).length === 1)
  ) {
    refuse(
      'listen',
      `is ${showWithoutSecrets(listen)}; give true, false, { connectionString: 'postgres://...' } or a function`,
    )
  }
}

/** `pg` takes any text: it would look for a host called "base", or speak to a server of MySQL. A path is that of a socket. */
function isConnectionString(value: unknown): value is string {
  return typeof value === 'string' && /^(postgres(ql)?:\/\/|socket:|\/)/i.test(value)
}

function hasOneConnection(pool: unknown): boolean {
  return isObject(pool) && isObject(pool['options']) && pool['options']['max'] === 1
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function hasMethods(value: unknown, ...names: readonly string[]): value is Record<string, unknown> {
  return isObject(value) && names.every((name) => typeof value[name] === 'function')
}
