import { BroadcasterError } from '../../errors.ts'
import { OutageError } from '../send-error.ts'
import { type RedisClient, type RunCommand, reconnectWith, runWith } from './client.ts'
import type { Address, ResolvedRedisStreamsOptions } from './options.ts'
import { errorOfConnection } from './reply-error.ts'
import { settleWithin } from './settle-within.ts'

/** A connection that is open, as far as we know. */
export interface OpenConnection {
  readonly run: RunCommand
  /** False once Redis has refused to run our script. */
  scripting: boolean
}

/** What we call of a client that we opened ourselves. */
interface OwnClient {
  connect(): Promise<unknown>
  close(): Promise<unknown>
  destroy(): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

interface Opened {
  readonly client: OwnClient
  readonly connection: OpenConnection
}

/**
 * The connection of one backend. With an injected client it only hands that out. Otherwise it opens a node-redis
 * client that neither queues nor repeats nor reconnects, drops it at the first sign of trouble, and opens a new one for
 * the next send: what was not acknowledged is then known to be over on our side.
 */
export class RedisConnection {
  readonly #options: ResolvedRedisStreamsOptions
  readonly #injected: OpenConnection | undefined
  readonly #reconnect: (() => void) | undefined
  #opened: Opened | undefined
  #opening: Promise<Opened> | undefined
  #closing: Promise<void> | undefined

  constructor(options: ResolvedRedisStreamsOptions) {
    this.#options = options
    this.#injected = options.client && { run: runWith(options.client), scripting: true }
    this.#reconnect = options.client && reconnectWith(options.client)
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  /** The open connection, or a new one. Rejects with an `OutageError`, or `MISSING_DEPENDENCY`. */
  async open(signal: AbortSignal): Promise<OpenConnection> {
    if (this.closed) throw new BroadcasterError('SEND_NOT_ATTEMPTED', 'this backend is closed')
    if (this.#injected) return this.#injected
    if (this.#opened) return this.#opened.connection
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    // Others may be waiting for the same connection: an abort ends this wait, not the attempt.
    return (await untilAborted(this.#opening, signal)).connection
  }

  /** Forgets a connection that did not answer or broke. Does nothing to an injected client. */
  drop(connection: OpenConnection): void {
    const opened = this.#opened
    if (opened?.connection !== connection) return
    this.#opened = undefined
    destroy(opened.client)
  }

  /**
   * Leaves a server that cannot serve now: the next one to open a connection may reach another. Of an injected client only
   * the connection to a replica is ended, as if it had been lost: all else may still serve the application's reads.
   */
  leave(connection: OpenConnection, trouble: 'replica' | 'unable'): void {
    if (connection === this.#injected) {
      if (trouble === 'replica') this.#reconnect?.()
    } else this.drop(connection)
  }

  /** Waits for the replies that are due, at most `commandTimeout`, and closes what we opened. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => undefined)
    const opened = this.#opened
    this.#opened = undefined
    if (!opened) return
    const impatience = setTimeout(() => destroy(opened.client), this.#options.commandTimeout)
    await opened.client.close().catch(() => undefined)
    clearTimeout(impatience)
    destroy(opened.client)
  }

  async #connect(): Promise<Opened> {
    const client = await createOwnClient(this.#options)
    const connection: OpenConnection = { run: runWith(client as unknown as RedisClient), scripting: true }
    let trouble: unknown
    client.on('error', (error) => {
      trouble ??= error
      this.drop(connection)
    })
    // node-redis's own connectTimeout ends with the TCP connection; a server that accepts and then says nothing
    // would keep us in the handshake for ever.
    const [reply] = await settleWithin([client.connect()], this.#options.connectTimeout, new AbortController().signal)
    if (reply?.kind !== 'value' || trouble !== undefined) {
      destroy(client)
      const silent = new Error(`not connected within ${this.#options.connectTimeout} ms`)
      throw errorOfConnection(trouble ?? (reply?.kind === 'error' ? reply.error : silent))
    }
    const opened = { client, connection }
    this.#opened = opened
    return opened
  }
}

async function createOwnClient(options: ResolvedRedisStreamsOptions): Promise<OwnClient> {
  const { createClient, createCluster } = await importRedis()
  const { host, port, db, username, password, nodes } = options.address
  const login = { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) }
  const common = { ...login, disableOfflineQueue: true }
  const behaviour = {
    connectTimeout: options.connectTimeout,
    reconnectStrategy: false as const,
    ...tlsOf(options.address),
  }
  if (nodes.length === 0) {
    return createClient({ ...common, database: db, socket: { host, port, ...behaviour } })
  }
  return createCluster({
    rootNodes: nodes.map((node) => ({ socket: { ...node, ...behaviour } })),
    defaults: { ...common, socket: behaviour },
  })
}

function tlsOf({ tls }: Address): { tls: true } | Record<never, never> {
  if (tls === false) return {}
  return tls === true ? { tls: true } : { ...tls, tls: true }
}

async function importRedis(): Promise<typeof import('redis')> {
  try {
    return await import('redis')
  } catch (cause) {
    throw new BroadcasterError(
      'MISSING_DEPENDENCY',
      'redisStreams() opens its connection with the package redis, which is not installed: `npm install redis`, or pass a client of your own as { client }',
      { field: 'client', cause },
    )
  }
}

function destroy(client: OwnClient): void {
  try {
    client.destroy()
  } catch {
    // Closed already: node-redis throws for that.
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(interrupted(signal))
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(interrupted(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function interrupted(signal: AbortSignal): OutageError {
  return new OutageError('the send ended before Redis was connected', { cause: signal.reason })
}
