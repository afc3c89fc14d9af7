import { BroadcasterError } from '../errors.ts'
import { settles } from '../foundation/waiting.ts'

/** How long a connection of a pool of ours may take to open, in ms. */
export const CONNECT = 8_000
/** How long closing waits for the server, in ms. */
const CLOSE = 2_000

/** A pool that emits an event for each new connection. */
export interface TellingPool {
  on?(event: string, listener: (given: object) => void): unknown
}

/** Where the pool of a store comes from. */
export interface PoolSource<Pool> {
  get(): Promise<Pool>
  /** When a connection was opened (monotonic clock); 0 = before we listened; undefined = the pool does not tell. */
  openedAt(connection: object): number | undefined
  /** Closes it if it is ours. Idempotent. */
  end(): Promise<void>
}

/** A pool of the application, which closes it itself. It emits `event` for each connection that it opens. */
export function given<Pool extends TellingPool>(pool: Pool, event: string): PoolSource<Pool> {
  return { get: async () => pool, openedAt: openings(pool, event), end: async () => undefined }
}

/** How a pool of our own is opened, and closed even when its server is silent. */
export interface OwnPool<Pool> {
  /** For messages: `PostgreSQL`. */
  readonly database: string
  /** What it emits for each connection that it opens. */
  readonly event: string
  /** Opens it, and keeps the set of its connections. */
  open(opened: Set<object>): Promise<Pool>
  /** Ends a connection whose server is silent. */
  cutOff(connection: object): unknown
}

/** A pool that we open at first use, and close in bounded time. `get` throws `CLOSED` after that. */
export function owned<Pool extends TellingPool & { end(): Promise<void> }>(own: OwnPool<Pool>): PoolSource<Pool> {
  const connections = new Set<object>()
  let openedAt: PoolSource<Pool>['openedAt'] = () => undefined
  let opening: Promise<Pool> | undefined
  let closed = false
  const open = async (): Promise<Pool> => {
    const pool = await own.open(connections)
    openedAt = openings(pool, own.event)
    return pool
  }
  return {
    async get() {
      if (closed) throw new BroadcasterError('CLOSED', `the ${own.database} store was closed`)
      opening ??= open()
      return opening
    },
    openedAt: (connection) => openedAt(connection),
    async end() {
      if (closed) return
      closed = true
      const ending = opening?.then((pool) => pool.end())
      if (ending === undefined || (await settles(ending, { timeout: CLOSE }))) return
      for (const connection of connections) own.cutOff(connection)
    },
  }
}

/** When the connections of each pool were opened; one listener for all stores on it. */
const known = new WeakMap<TellingPool, WeakMap<object, number>>()

function openings(pool: TellingPool, event: string): (connection: object) => number | undefined {
  if (typeof pool.on !== 'function') return () => undefined
  const openedAt = known.get(pool) ?? new WeakMap<object, number>()
  if (!known.has(pool)) pool.on(event, (connection) => openedAt.set(connection, performance.now()))
  known.set(pool, openedAt)
  return (connection) => openedAt.get(connection) ?? 0
}
