/** A pool that tells of its connections; one listener for all stores on it. */
export interface TellingPool {
  on?(event: string, listener: (given: object) => void): unknown
}

const known = new WeakMap<TellingPool, OpenedConnections>()

/** When the connections of a pool were opened, and which are open. */
export class OpenedConnections {
  readonly #openedAt = new WeakMap<object, number>()
  readonly #telling: boolean

  /** Those of a pool, from now on: `event` is what it emits for each that it opens. */
  static of(pool: TellingPool, event: string): OpenedConnections {
    let found = known.get(pool)
    if (found === undefined) {
      found = new OpenedConnections(pool, event)
      known.set(pool, found)
    }
    return found
  }

  private constructor(pool: TellingPool, event: string) {
    this.#telling = typeof pool.on === 'function'
    pool.on?.(event, (connection) => this.#openedAt.set(connection, performance.now()))
  }

  /** By the monotonic clock; before we listened = 0. Undefined when the pool does not tell. */
  of(connection: object): number | undefined {
    return this.#telling ? (this.#openedAt.get(connection) ?? 0) : undefined
  }
}
