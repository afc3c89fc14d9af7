import { BroadcasterError } from '../../errors.ts'
import { settles } from '../../foundation/waiting.ts'
import type { ListenClient, ListenConnection } from './listen.ts'
import type { PgPool, PgPoolClient } from './pg-client.ts'

type Listeners = { readonly [Event in 'notification' | 'error' | 'end']: ((argument: never) => void)[] }

/** How long the pool may take to give a connection for listening, in ms. */
const CONNECT = 8_000

/** One outbox that listens on the connection. */
interface User {
  readonly channel: string
  readonly listeners: Listeners
}

/** The connection of each pool that listens, for as long as anybody does. */
const connections = new WeakMap<PgPool, Promise<PooledListening>>()

/**
 * A connection for listening that is taken from the application's pool and kept: one for all outboxes on that pool.
 * With one for each, as many outboxes as the pool has connections would leave none to work with.
 */
export async function listenOnPool(pool: PgPool, channel: string): Promise<ListenConnection> {
  let connecting = connections.get(pool)
  if (connecting === undefined) {
    connecting = connect(pool)
    connections.set(pool, connecting)
    connecting.catch(() => connections.delete(pool))
  }
  return (await connecting).join(channel)
}

async function connect(pool: PgPool): Promise<PooledListening> {
  const connecting = pool.connect() as Promise<PgPoolClient & ListenClient>
  if (!(await settles(connecting, { timeout: CONNECT }))) {
    connecting.then(
      (late) => late.release(),
      () => undefined,
    )
    throw new BroadcasterError('STORE_UNAVAILABLE', `no connection to listen on came free within ${CONNECT} ms`)
  }
  return new PooledListening(await connecting, () => connections.delete(pool))
}

class PooledListening {
  readonly #client: PgPoolClient & ListenClient
  readonly #onEnd: () => void
  readonly #users = new Set<User>()
  #last: Promise<unknown> = Promise.resolve()
  #ended = false

  constructor(client: PgPoolClient & ListenClient, onEnd: () => void) {
    this.#client = client
    this.#onEnd = onEnd
    client.on('notification', (message) => {
      for (const { channel, listeners } of [...this.#users]) {
        if (channel === message.channel) for (const listener of listeners.notification) listener(message as never)
      }
    })
    client.on('error', (error) => this.#lost(error))
    client.on('end', () => this.#lost(undefined))
  }

  join(channel: string): ListenConnection {
    if (this.#ended) throw new BroadcasterError('STORE_UNAVAILABLE', 'the listening connection has just ended')
    const user: User = { channel, listeners: { notification: [], error: [], end: [] } }
    this.#users.add(user)
    return {
      client: {
        query: (text) => this.#query(text),
        on: (event: keyof Listeners, listener: (argument: never) => void) => user.listeners[event].push(listener),
      },
      close: () => this.#leave(user),
      destroy: () => this.#lost(undefined),
    }
  }

  /** One at a time: `pg` itself warns of a query while another runs. */
  #query(text: string): Promise<{ readonly rows: unknown[] }> {
    const turn = this.#last.then(() => this.#client.query(text))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #leave(user: User): Promise<void> {
    if (!this.#users.delete(user) || this.#ended) return
    if (this.#users.size === 0) return this.#end()
    // Another worker of the same outbox may go on listening.
    const isWanted = [...this.#users].some(({ channel }) => channel === user.channel)
    if (!isWanted) await this.#query(`UNLISTEN "${user.channel}"`)
  }

  #lost(error: Error | undefined): void {
    if (this.#ended) return
    this.#end()
    const users = [...this.#users]
    this.#users.clear()
    for (const { listeners } of users) {
      if (error === undefined) for (const listener of listeners.end) listener(undefined as never)
      else for (const listener of listeners.error) listener(error as never)
    }
  }

  /** Destroyed, since it has settings and locks of its own. */
  #end(): void {
    this.#ended = true
    this.#onEnd()
    this.#client.release(true)
  }
}
