import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { Connection } from '../foundation/connection.ts'
import { settles, waitFor } from '../foundation/waiting.ts'
import { type RedisClient, type RunCommand, reconnectWith, runWith } from './client.ts'
import type { Address, ResolvedRedisConnection } from './options.ts'
import { errorOfConnection } from './reply-error.ts'

/** A connection that is open, as far as we know. */
export interface OpenRedis {
  /** The client, if it is ours to end. */
  readonly own: OwnClient | undefined
  readonly run: RunCommand
  /** False once Redis has refused to run our script. */
  scripting: boolean
  /**
   * Leaves a server that cannot serve now: the next connection may reach another. An injected client's connection is
   * ended (as if it had been lost) only if it leads to a replica: any other may still serve the application's reads.
   */
  leave(trouble: 'replica' | 'unable'): void
}

/** What we call of a client that we opened ourselves. */
interface OwnClient {
  connect(): Promise<unknown>
  close(): Promise<unknown>
  destroy(): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

export type RedisConnection = Connection<OpenRedis>

/**
 * The connection of one backend. With an injected client it only hands that out, and ends nothing. Otherwise it opens a
 * node-redis client that neither queues, resends nor reconnects.
 */
export function redisConnection(options: ResolvedRedisConnection): RedisConnection {
  const { client: given, timeout } = options
  const injected = given && injectedConnection(given)
  const connection: RedisConnection = new Connection<OpenRedis>({
    async open() {
      if (injected) return injected
      const client = await createOwnClient(options)
      const open: OpenRedis = {
        own: client,
        run: runWith(client as unknown as RedisClient),
        scripting: true,
        leave: () => connection.drop(open),
      }
      await connect(client, options.connectTimeout, () => connection.drop(open))
      return open
    },
    end: ({ own }) => own && destroy(own),
    // Waits for outstanding replies.
    close: async ({ own }) => own && settles(own.close(), { timeout: timeout }),
    interrupted: (cause) => new OutageError('the send ended before Redis was connected', { cause }),
  })
  return connection
}

function injectedConnection(client: RedisClient): OpenRedis {
  const reconnect = reconnectWith(client)
  return {
    own: undefined,
    run: runWith(client),
    scripting: true,
    leave(trouble) {
      if (trouble === 'replica') reconnect?.()
    },
  }
}

async function connect(client: OwnClient, timeout: number, onTrouble: () => void): Promise<void> {
  let trouble: unknown
  client.on('error', (error) => {
    trouble ??= error
    onTrouble()
  })
  try {
    // node-redis's own connectTimeout covers only the TCP connection; a server that accepts and then stays silent would
    // keep us in the handshake for ever.
    await waitFor(client.connect(), { timeout }, () => new Error(`not connected within ${timeout} ms`))
    if (trouble !== undefined) throw trouble
  } catch (error) {
    destroy(client)
    throw errorOfConnection(trouble ?? error)
  }
}

async function createOwnClient(options: ResolvedRedisConnection): Promise<OwnClient> {
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
