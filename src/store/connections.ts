import { BroadcasterError } from '../errors.ts'
import { waitFor } from '../foundation/waiting.ts'

/** What an error says about the connection that it came over. */
export type ConnectionFate =
  /** Nothing: the statement was refused, and the next one may succeed. */
  | 'keep'
  /** It is lost, or in an unknown state. */
  | 'drop'
  /** It works, but its server cannot serve (read-only, shutting down): nor can any connection opened earlier. */
  | 'leave-server'

/** How connections are acquired, released and destroyed. */
export interface ConnectionSource<C extends object> {
  /** For messages: `PostgreSQL`. */
  readonly database: string
  connect(): Promise<C>
  /** Gives it back to the pool. */
  release(connection: C): void
  /** Closes it at once, whatever runs on it. */
  destroy(connection: C): void
  /** The object that stays the same however often the pool hands the connection out. */
  identity(connection: C): object
  /** When it was opened, by the monotonic clock; undefined = the pool does not tell. */
  openedAt(identity: object): number | undefined
  fateAfter(error: unknown): ConnectionFate
  /** What one of its errors means to us. */
  storeError(error: unknown): unknown
}

/** How long an abandoned request keeps its place while the pool still tries to connect, in ms. */
const LONGEST_CONNECT = 60_000

/**
 * The connections of one pool, as far as a store uses them. After a failover the pool may still be full of connections
 * to the server that was demoted: once one of them has said so, none that was opened before is used again.
 */
export class Connections<C extends object> {
  readonly source: ConnectionSource<C>
  /** When each was opened, as far as we know, by the monotonic clock. */
  readonly #seen = new WeakMap<object, number>()
  #left = Number.NEGATIVE_INFINITY

  constructor(source: ConnectionSource<C>) {
    this.source = source
  }

  async connect(): Promise<C> {
    for (;;) {
      const connection = await this.source.connect().catch((error: unknown) => {
        throw this.source.storeError(error)
      })
      if (this.#openedAt(connection) > this.#left) return connection
      this.source.destroy(connection)
    }
  }

  #openedAt(connection: C): number {
    const { source } = this
    const identity = source.identity(connection)
    const opened = source.openedAt(identity) ?? this.#seen.get(identity) ?? performance.now()
    this.#seen.set(identity, opened)
    return opened
  }

  /** Releases it, or destroys it when the error says so. `sound`: it has answered since. */
  giveBack(connection: C, error: unknown, sound: boolean): void {
    const fate = error === undefined ? 'keep' : this.source.fateAfter(error)
    if (fate === 'keep' || (fate === 'drop' && sound)) {
      this.source.release(connection)
      return
    }
    if (fate === 'leave-server' && this.#openedAt(connection) > this.#left) this.#left = performance.now()
    this.source.destroy(connection)
  }
}

/** A number of connections that may be used at once; when none is left, requests wait, first come, first served. */
export class ConnectionShare<C extends object> {
  readonly #connections: Connections<C>
  readonly #size: number
  readonly #waiting: (() => void)[] = []
  #used = 0

  /** `size`: Infinity = no limit. */
  constructor(connections: Connections<C>, size: number) {
    this.#connections = connections
    this.#size = size
  }

  /**
   * Runs `work` on a connection, waiting for it and working at most `limit` ms. When `loan.ask` gets no answer the
   * connection is destroyed. Throws `STORE_UNAVAILABLE`, and what `work` throws.
   */
  async use<T>(limit: number, work: (loan: Loan<C>) => Promise<T>, wait = limit): Promise<T> {
    const loan = await this.#borrow(limit, wait)
    try {
      const result = await work(loan)
      loan.end()
      return result
    } catch (error) {
      loan.end(error)
      throw error
    }
  }

  async #borrow(limit: number, wait: number): Promise<Loan<C>> {
    const deadline = performance.now() + wait
    const end = performance.now() + limit
    const leave = await this.#turn(wait)
    const connecting = this.#connections.connect()
    try {
      const connection = await inTime(connecting, deadline - performance.now(), () => this.#late(wait))
      return new Loan(this.#connections, connection, end, leave)
    } catch (error) {
      // The connection may still come: it then goes straight back, and takes up its place until then.
      const timer = setTimeout(leave, LONGEST_CONNECT)
      timer.unref()
      const settled = (): void => {
        clearTimeout(timer)
        leave()
      }
      connecting.then((connection) => this.#connections.giveBack(connection, undefined, true), ignore).finally(settled)
      throw error
    }
  }

  /** Resolves with the function that ends this turn. */
  async #turn(wait: number): Promise<() => void> {
    if (this.#used >= this.#size) {
      const turn = Promise.withResolvers<void>()
      this.#waiting.push(turn.resolve)
      await inTime(turn.promise, wait, () => {
        this.#waiting.splice(this.#waiting.indexOf(turn.resolve), 1)
        return this.#late(wait)
      })
    } else this.#used++
    let ended = false
    return () => {
      if (ended) return
      ended = true
      const next = this.#waiting.shift()
      // The turn is handed on.
      if (next) next()
      else this.#used--
    }
  }

  #late(wait: number): BroadcasterError {
    const { database } = this.#connections.source
    return new BroadcasterError(
      'STORE_UNAVAILABLE',
      `no connection to ${database} came free within ${Math.round(wait)} ms: all are in use, or the server does not answer`,
    )
  }
}

/** A connection in use. */
export class Loan<C extends object> {
  readonly connection: C
  readonly #connections: Connections<C>
  readonly #end: number
  readonly #leave: () => void
  #over = false
  #sound = false

  constructor(connections: Connections<C>, connection: C, end: number, leave: () => void) {
    this.connection = connection
    this.#connections = connections
    this.#end = end
    this.#leave = leave
  }

  /** What is left of the time for all that is done on it, in milliseconds. */
  get left(): number {
    return Math.max(0, this.#end - performance.now())
  }

  /** Whether it was released or destroyed. */
  get isOver(): boolean {
    return this.#over
  }

  /**
   * The answer to what `send` sends over it; when none comes in time the connection is destroyed. Throws
   * `STORE_UNAVAILABLE`, or the store's error for what the server says.
   */
  async ask<T>(send: (connection: C) => Promise<T>, limit = this.left): Promise<T> {
    if (this.#over) throw new BroadcasterError('STORE_UNAVAILABLE', 'the connection of the transaction was destroyed')
    const { source } = this.#connections
    try {
      return await inTime(send(this.connection), limit, () => {
        this.destroy()
        return new BroadcasterError(
          'STORE_UNAVAILABLE',
          `${source.database} did not answer within ${Math.round(limit)} ms`,
        )
      })
    } catch (error) {
      throw source.storeError(error)
    }
  }

  /** The transaction has rolled back: an error thrown by user code says nothing about the connection. */
  rolledBack(): void {
    this.#sound = true
  }

  destroy(): void {
    if (this.#over) return
    this.#over = true
    this.#connections.source.destroy(this.connection)
    this.#leave()
  }

  /** Releases it, or destroys it when `error` says that it is no longer of use. */
  end(error?: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#connections.giveBack(this.connection, error, this.#sound)
    this.#leave()
  }
}

function inTime<T>(promise: Promise<T>, limit: number, late: () => BroadcasterError): Promise<T> {
  return limit === Number.POSITIVE_INFINITY ? promise : waitFor(promise, { timeout: limit }, late)
}

function ignore(): void {}
