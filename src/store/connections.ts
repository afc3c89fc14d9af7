import { BroadcasterError } from '../errors.ts'
import { waitFor } from '../foundation/waiting.ts'

/** What an error says about the connection that it came over. */
export type ConnectionFate =
  /** Nothing: the statement was refused, and the next one may do. */
  | 'keep'
  /** It is lost, or in an unknown state. */
  | 'drop'
  /** It is well, but its server cannot serve (read-only, shutting down): nor can any that was opened before. */
  | 'leave-server'

/** How connections are had, given back, and got rid of. */
export interface ConnectionSource<C extends object> {
  /** For messages: `PostgreSQL`. */
  readonly database: string
  connect(): Promise<C>
  /** Gives it back to the pool. */
  release(connection: C): void
  /** Closes it at once, whatever runs on it. */
  destroy(connection: C): void
  /** What stays the same however often the pool hands it out. */
  identity(connection: C): object
  /** When it was opened, by the monotonic clock; undefined = the pool does not tell. */
  openedAt(identity: object): number | undefined
  fateAfter(error: unknown): ConnectionFate
  /** What an error of it means to us. */
  storeError(error: unknown): unknown
}

/** How long a request that was given up may keep its place while the pool still tries to connect, in ms. */
const LONGEST_CONNECT = 60_000

/**
 * The connections of one pool, as far as a store uses them. After a failover the pool may still be full of connections to
 * the server that was demoted: once one of them has said so, none that was opened before is used again.
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

  /** Gives it back, or gets rid of it when the error says so. `sound`: it has answered since. */
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

/**
 * A number of connections that may be used at once; when none is left, requests wait in turn, first come, first served.
 */
export class ConnectionShare<C extends object> {
  readonly #connections: Connections<C>
  readonly #size: number
  readonly #waiting: (() => void)[] = []
  #used = 0

  /** `size`: Infinity = as many as are asked for. */
  constructor(connections: Connections<C>, size: number) {
    this.#connections = connections
    this.#size = size
  }

  /**
   * Runs `work` on a connection, waiting for one and working at most `limit` ms; what `loan.ask` waits for in vain costs the
   * connection. Throws `STORE_UNAVAILABLE`, and what `work` throws.
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
      // Comes after all, perhaps: then it goes straight back, and until then it takes up the room of one.
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

  /** Resolves with the function that ends the turn. */
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
      // Its turn is handed on.
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

  /** Milliseconds that are left of the time for all that is done on it. */
  get left(): number {
    return Math.max(0, this.#end - performance.now())
  }

  /** True once it was given back or destroyed. */
  get isOver(): boolean {
    return this.#over
  }

  /**
   * The answer to what `send` sends over it; when none comes in time the connection is destroyed. Throws `STORE_UNAVAILABLE`, and
   * the store's error of what the server says.
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

  /** It has rolled back after an error: that of somebody's code says nothing about it. */
  rolledBack(): void {
    this.#sound = true
  }

  destroy(): void {
    if (this.#over) return
    this.#over = true
    this.#connections.source.destroy(this.connection)
    this.#leave()
  }

  /** Gives it back, unless `error` says that it is of no use any more. */
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
