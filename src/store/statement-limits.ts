import { showValue } from '../problem.ts'

/** How long a statement of the store's own may take, and how many connections of the pool are used for them. */
export interface StatementOptions {
  /**
   * Connections of the pool that a worker's statements use at once; one of them is kept for its heartbeat. What your code
   * asks for (`events`, `migrate`) has at most two more, and transactional handlers those of `transactions`. Default: 3.
   */
  readonly connections?: number | undefined
  /** Connections of the pool on which transactional handlers work at once. Default: 4. */
  readonly transactions?: number | undefined
  /**
   * How long a statement of a worker may take, with the wait for its connection, in milliseconds. One that takes longer is
   * cancelled by the server, and its connection destroyed when even that is not heard of. Default: 8,000.
   */
  readonly statementTimeout?: number | undefined
}

export const STATEMENT_OPTIONS = ['connections', 'transactions', 'statementTimeout'] as const

export type ResolvedStatementOptions = { readonly [Name in (typeof STATEMENT_OPTIONS)[number]]: number }

const DEFAULTS: ResolvedStatementOptions = { connections: 3, transactions: 4, statementTimeout: 8_000 }
const RANGES = { connections: [1, 1_000], transactions: [1, 1_000], statementTimeout: [100, 3_600_000] } as const

/** Fills in the defaults; tells `refuse` of each value that is none. */
export function resolveStatementOptions(
  given: ReadonlyMap<string, unknown>,
  refuse: (field: string, message: string) => void,
): ResolvedStatementOptions {
  const resolved = { ...DEFAULTS }
  for (const name of STATEMENT_OPTIONS) {
    const value = given.get(name)
    if (value === undefined) continue
    const [min, max] = RANGES[name]
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
      refuse(name, `is ${showValue(value)}; give a whole number from ${min} to ${max}`)
    else Object.assign(resolved, { [name]: value })
  }
  return resolved
}

/** What one use of a connection may take, in milliseconds. */
export interface Limits {
  /** The wait for a connection and all that is done on it. Infinity = no limit. */
  readonly total: number
  /** One wait for a lock that somebody else holds. */
  readonly lock: number
}

/** A row or table that somebody has locked delays what needs it by this much, in ms; then others get their turn. */
const LOCK_WAIT = 2_000
/** What a worker records goes around locked rows after this time, in ms; MySQL counts in seconds, and may take one more. */
const ROW_WAIT = 1_000
/** A heartbeat must be answered well within a lease, or be tried on another connection. */
const HEARTBEAT = 4_000
/** What an operator asks for may read all of a large table. */
const OPERATOR = 60_000

/** The limits of each use that a store makes of its database. */
export interface UseLimits {
  readonly worker: Limits
  readonly heartbeat: Limits
  readonly operator: Limits
  readonly migration: Limits
}

export function limitsOf({ statementTimeout }: ResolvedStatementOptions): UseLimits {
  return {
    worker: { total: statementTimeout, lock: Math.min(ROW_WAIT, statementTimeout) },
    heartbeat: { total: Math.min(HEARTBEAT, statementTimeout), lock: Math.min(LOCK_WAIT, statementTimeout / 2) },
    operator: { total: Math.max(OPERATOR, statementTimeout), lock: 5 * LOCK_WAIT },
    migration: { total: Number.POSITIVE_INFINITY, lock: 0 },
  }
}

/** How much sooner the server is to give up than we do, in ms: then its answer says why. */
export const SERVER_FIRST = 500
