import { ConnectionShare, type Connections } from './connections.ts'
import type { Lender } from './loan-transaction.ts'
import { type Limits, limitsOf, type ResolvedStatementOptions, type UseLimits } from './statement-limits.ts'

/** The clients of a store, each with the limits of its use. */
export interface StoreClients<Client, Runs> {
  readonly worker: Client
  readonly heartbeat: Client
  readonly operator: Client
  /** For the check of the schema before a start, which must not wait for what an operator has asked for. */
  readonly check: Client
  readonly migration: Client
  /** For transactional handlers. */
  readonly handlers: Lender<Runs>
  /** For transactions that the application begins. */
  readonly application: Lender<Runs>
  /** Closes what the store opened. Idempotent. */
  close(): Promise<void>
}

/** What opens clients for a database. */
export interface ClientKind<C extends object, Client, Runs> {
  /** For statements of our own, each within `limits`. */
  client(share: ConnectionShare<C>, limits: Limits): Client
  /** For transactions in which users' code runs; `conclusion`: the limits of what we do at their end. */
  lender(share: ConnectionShare<C>, wait: number, conclusion: Limits): Lender<Runs>
}

/** How long a transaction of the application may wait for a connection, in ms. */
const APPLICATION_WAIT = 30_000

/** Each use gets its own connections, so that what hangs in one holds up no other. */
export function clientsOn<C extends object, Client, Runs>(
  { connections, end }: { readonly connections: Connections<C>; end(): Promise<void> },
  options: ResolvedStatementOptions,
  kind: ClientKind<C, Client, Runs>,
): StoreClients<Client, Runs> {
  const limits = limitsOf(options)
  const client = (size: number, use: keyof UseLimits): Client =>
    kind.client(new ConnectionShare(connections, size), limits[use])
  const lender = (size: number, wait: number): Lender<Runs> =>
    kind.lender(new ConnectionShare(connections, size), wait, limits.worker)
  return {
    worker: client(Math.max(1, options.connections - 1), 'worker'),
    heartbeat: client(1, 'heartbeat'),
    operator: client(1, 'operator'),
    check: client(1, 'check'),
    migration: client(1, 'migration'),
    handlers: lender(options.transactions, limits.worker.total),
    application: lender(Number.POSITIVE_INFINITY, APPLICATION_WAIT),
    close: end,
  }
}
