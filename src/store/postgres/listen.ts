import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { BroadcasterError } from '../../errors.ts'
import { waitFor } from '../../foundation/waiting.ts'
import type { WakeListener, WakeStore } from '../store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'
import { LOCK_KEYS } from './values.ts'

/** What we need of a connected `pg.Client` that nothing else uses. */
export interface ListenClient {
  query(text: string): Promise<{ readonly rows: unknown[] }>
  on(event: 'notification', listener: (message: { channel: string; payload?: string | undefined }) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
}

/** A connection for listening alone, and how to be rid of it. */
export interface ListenConnection {
  readonly client: ListenClient
  /** Stops listening, and closes the connection unless other outboxes listen on it. */
  close(): Promise<void>
  /** Closes it for all: it is in an unknown state. */
  destroy(): void
}

/** How long our own notification may take to arrive, in ms, before the connection is judged unable to listen. */
const SELF_TEST = 2_000
/** How long the pool may take to send that notification, in ms: others may have all that is left of its connections. */
const SEND = 5_000
/** How long `arm` waits for commits that are running, in ms. */
const ARM_WAIT = 250
/** How long an answer on the listening connection may take, in ms, before the connection is judged lost. */
const ANSWER = 5_000
const SELF_TEST_PAYLOAD = 'test '

/** Wake-up by LISTEN on a connection of its own; the other side is `outbox_wake` in the first migration. */
export function listen(client: Client, t: Tables, connect: (channel: string) => Promise<ListenConnection>): WakeStore {
  return {
    async listen(onWake, onLost) {
      const [row] = await client.query('SELECT $1::regclass::oid AS oid', [t.events])
      const oid = BigInt(row?.['oid'] ?? 0)
      const connection = await connect(`broadcaster_${oid}`)
      const listener = new Listener(connection, oid, onWake, onLost)
      try {
        await listener.start(async (token) => {
          await client.query('SELECT pg_notify($1, $2)', [listener.channel, token])
        })
        return listener
      } catch (error) {
        await listener.close()
        throw error
      }
    },
  }
}

class Listener implements WakeListener {
  readonly channel: string
  readonly #connection: ListenConnection
  readonly #onLost: (error: unknown) => void
  readonly #token = SELF_TEST_PAYLOAD + randomUUID()
  readonly #waiting: bigint
  readonly #committing: bigint
  #arrived: () => void = () => {}
  #armed = false
  #ended = false

  constructor(
    connection: ListenConnection,
    oid: bigint,
    onWake: (about?: 'events') => void,
    onLost: (error: unknown) => void,
  ) {
    this.#connection = connection
    this.#onLost = onLost
    this.channel = `broadcaster_${oid}`
    this.#waiting = LOCK_KEYS.waiting + oid
    this.#committing = LOCK_KEYS.committing + oid
    const { client } = connection
    client.on('notification', ({ channel, payload }) => {
      if (this.#ended || channel !== this.channel) return
      if (payload === this.#token) this.#arrived()
      // Nothing is said by the trigger, which runs at commits; whatever else there is to tell has a word.
      else if (!payload) onWake('events')
      else if (!payload.startsWith(SELF_TEST_PAYLOAD)) onWake()
    })
    client.on('error', (error) => this.#lost(error))
    client.on('end', () => this.#lost(new BroadcasterError('STORE_UNAVAILABLE', 'the listening connection has ended')))
  }

  /** Listens, and makes sure that notifications arrive: behind PgBouncer in transaction mode LISTEN succeeds in vain. */
  async start(notify: (token: string) => Promise<void>): Promise<void> {
    const arrived = Promise.withResolvers<void>()
    this.#arrived = () => arrived.resolve()
    const inVain = new BroadcasterError(
      'STORE_UNAVAILABLE',
      'notifications do not arrive on the listening connection, as behind PgBouncer in transaction mode; set `listen` to a direct connection, or to false',
      { field: 'listen' },
    )
    const noConnection = new BroadcasterError(
      'STORE_UNAVAILABLE',
      'the pool has no connection left to try the listening connection with; give it more, or set `listen` to a connection of its own, or to false',
      { field: 'listen' },
    )
    await this.#query(`LISTEN "${this.channel}"`)
    await waitFor(notify(this.#token), { timeout: SEND }, () => noConnection)
    const timer = setTimeout(() => {
      // It may be us who paused: what has arrived meanwhile is read before this answer.
      this.#query('SELECT 1').then(
        () => arrived.reject(inVain),
        (error: unknown) => arrived.reject(error),
      )
    }, SELF_TEST)
    await arrived.promise.finally(() => clearTimeout(timer))
  }

  async arm(): Promise<boolean> {
    if (this.#ended) return false
    if (!this.#armed) {
      this.#armed = true
      await this.#query(`SELECT pg_advisory_lock_shared(${this.#waiting})`)
    }
    // Commits that are running may have looked for a waiting relay before the line above, or found that another was just
    // telling: let them end. Seen in pg_locks and not waited for with a lock, since a lock that somebody waits for is refused
    // to all others.
    const before = await this.#commitsUnderWay()
    const deadline = performance.now() + ARM_WAIT
    let left = before
    for (let pause = 4; left.length > 0; pause = Math.min(2 * pause, 32)) {
      if (performance.now() > deadline) {
        await this.disarm()
        return false
      }
      await delay(pause)
      const now = new Set(await this.#commitsUnderWay())
      left = before.filter((commit) => now.has(commit))
    }
    return this.#armed
  }

  async #commitsUnderWay(): Promise<readonly string[]> {
    const rows = await this.#query(`
      SELECT virtualtransaction AS commit FROM pg_catalog.pg_locks
      WHERE locktype = 'advisory' AND objsubid = 1 AND classid = ${this.#committing >> 32n}
        AND objid = ${this.#committing & 0xffffffffn}
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())`)
    return rows.map((row) => String((row as { readonly commit: unknown }).commit))
  }

  async disarm(): Promise<void> {
    if (!this.#armed || this.#ended) return
    this.#armed = false
    await this.#query(`SELECT pg_advisory_unlock_shared(${this.#waiting})`)
  }

  async close(): Promise<void> {
    if (this.#ended) return
    // A connection that others share outlives us: leave nothing behind on it.
    await this.disarm().catch(() => {})
    if (this.#ended) return
    this.#ended = true
    await this.#answer(this.#connection.close()).catch(() => {})
  }

  async #query(text: string): Promise<readonly unknown[]> {
    return (await this.#answer(this.#connection.client.query(text))).rows
  }

  /** A connection that died silently never answers. */
  async #answer<T>(answer: Promise<T>): Promise<T> {
    const late = (): Error => new BroadcasterError('STORE_UNAVAILABLE', 'the listening connection does not answer')
    try {
      return await waitFor(answer, { timeout: ANSWER }, late)
    } catch (error) {
      // Whoever called knows now; a connection in an unknown state is of no use.
      this.#ended = true
      this.#connection.destroy()
      throw error
    }
  }

  #lost(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#connection.destroy()
    this.#onLost(error)
  }
}
