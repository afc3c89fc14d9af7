import { duration, integer } from '../foundation/option-kinds.ts'
import type { OptionsOf, ResolvedOf } from '../foundation/option-table.ts'

/** How long the store's own statements may take, and how many of the pool's connections they use. */
export const STATEMENTS = {
  /**
   * Connections of the pool that a worker's statements use at once; one of them is kept for its heartbeat. What your
   * code calls (`events`, `migrate`) uses at most two more, and transactional handlers those of `transactions`. Default
   * 3.
   */
  connections: integer(3, { min: 1, max: 1_000 }),
  /**
   * Connections of the pool on which transactional handlers work at once: at least 1, at most the pool's size less one
   * that listens and one that stays free. Default: 4, or that maximum if it is less.
   */
  transactions: integer(undefined, { min: 1, max: 1_000 }),
  /**
   * How long a worker's statement may take, including the wait for its connection, in milliseconds. A longer one is
   * cancelled by the server; if even that brings no answer, its connection is destroyed. Default 8,000.
   */
  statementTimeout: duration(8_000, { min: 100, max: 3_600_000 }),
}
export type StatementOptions = OptionsOf<typeof STATEMENTS>
export type ResolvedStatementOptions = { readonly [Name in keyof typeof STATEMENTS]: number }

const MOST_TRANSACTIONS = 4

/** An application's pool, as far as we can see into it. */
export interface PoolRoom {
  /** How many connections it has at most; undefined = it does not tell. */
  readonly size: number | undefined
  /** Whether one of them is kept for listening. */
  readonly listens: boolean
}

/** The size of a pool of our own: no use waits for another, and the application has at least one connection. */
export function ownPoolSize({ connections, transactions }: ResolvedStatementOptions): number {
  return Math.max(10, connections + transactions + 4)
}

/**
 * How many handlers may have a connection each. One more stays free: otherwise handlers that ask the same pool for a
 * second one would wait for each other, and no heartbeat would get through. The smallest pools leave none, so one
 * handler works at a time.
 */
function mostTransactions({ size, listens }: PoolRoom): number {
  return size === undefined ? Number.POSITIVE_INFINITY : Math.max(1, size - (listens ? 1 : 0) - 1)
}

/**
 * The options as far as they fit the pool; calls `refuse` for what does not. `room`: undefined = a pool of our own,
 * made to fit.
 */
export function resolveStatementOptions(
  { connections, transactions, statementTimeout }: ResolvedOf<typeof STATEMENTS>,
  refuse: (name: 'transactions', message: string) => void,
  room?: PoolRoom,
): ResolvedStatementOptions {
  const most = mostTransactions(room ?? { size: undefined, listens: false })
  if (transactions !== undefined && transactions > most) refuse('transactions', tooMany(transactions, most, room))
  return { connections, transactions: transactions ?? Math.min(MOST_TRANSACTIONS, most), statementTimeout }
}

function tooMany(value: number, most: number, room: PoolRoom | undefined): string {
  const listener = room?.listens ? ', one of which listens' : ''
  return `is ${value}, and the pool has ${room?.size} connections${listener}: one must stay free for the application and the worker; give at most ${most}, or a larger pool`
}

/** What one use of a connection may take, in milliseconds. */
export interface Limits {
  /** The wait for a connection and all that is done on it. Infinity = no limit. */
  readonly total: number
  /** One wait for a lock that another session holds. */
  readonly lock: number
}

/** How long a statement waits for a locked row or table, in ms; then others get their turn. */
const LOCK_WAIT = 2_000
/** After this time recording goes around locked rows, in ms; MySQL counts in seconds, and may take one more. */
const ROW_WAIT = 1_000
/** A heartbeat must be answered well within a lease, or it is tried on another connection. */
const HEARTBEAT = 4_000
/** An operator's request may read all of a large table. */
const OPERATOR = 60_000

/** The limits of each use that a store makes of its database. */
export interface UseLimits {
  readonly worker: Limits
  readonly heartbeat: Limits
  readonly operator: Limits
  /** The check of the schema, by a start and by probes: one that hangs must not hold up the next for long. */
  readonly check: Limits
  readonly migration: Limits
}

export function limitsOf({ statementTimeout }: ResolvedStatementOptions): UseLimits {
  return {
    worker: { total: statementTimeout, lock: Math.min(ROW_WAIT, statementTimeout) },
    heartbeat: { total: Math.min(HEARTBEAT, statementTimeout), lock: Math.min(LOCK_WAIT, statementTimeout / 2) },
    operator: { total: Math.max(OPERATOR, statementTimeout), lock: 5 * LOCK_WAIT },
    check: { total: statementTimeout, lock: Math.min(5 * LOCK_WAIT, statementTimeout / 2) },
    migration: { total: Number.POSITIVE_INFINITY, lock: 0 },
  }
}

/** How much earlier the server gives up than we do, in ms: its answer then says why. */
export const SERVER_FIRST = 500
