import { setTimeout as delay } from 'node:timers/promises'
import { BroadcasterError } from '../../errors.ts'
import { Connections } from '../connections.ts'
import { OpenedConnections } from '../opened-connections.ts'
import type { ListenConnection } from './listen.ts'
import type { DedicatedClient, ResolvedOptions } from './options.ts'
import type { PgPool, PgPoolClient } from './pg-client.ts'
import { listenOnPool } from './pooled-listening.ts'
import { fateAfter, storeError } from './store-error.ts'

/** The connections and the listening connection that the options ask for. What we open here we close. */
export interface OpenPg {
  readonly connections: Connections<PgPoolClient>
  /** Closes the pool if it is ours, in bounded time. Idempotent. */
  end(): Promise<void>
  /** Listening stays with whoever asked; `channel` is all that it listens to. */
  connectListener(channel: string): Promise<ListenConnection>
}

interface OwnPool extends PgPool {
  on(event: 'connect' | 'remove' | 'error', listener: (client: object) => void): unknown
  end(): Promise<void>
}

/** What we use of the module `pg`. */
interface PgModule {
  readonly Pool: new (options: {
    connectionString: string
    application_name: string
    keepAlive: boolean
    connectionTimeoutMillis: number
  }) => OwnPool
  readonly Client: new (options: {
    connectionString: string
    application_name: string
    keepAlive: boolean
    connectionTimeoutMillis: number
  }) => DedicatedClient & { connect(): Promise<unknown> }
}

const APPLICATION_NAME = 'ts-broadcaster'
/** How long a connection may take to open, in ms. */
const CONNECT = 8_000
/** How long closing waits for the server, in ms. */
const CLOSE = 2_000

/** Opens nothing yet: the pool is made at first use. */
export function openPg({ via, listen }: ResolvedOptions): OpenPg {
  if ('pglite' in via) throw new TypeError('PGlite has no pool')
  let own: Promise<OwnPool> | undefined
  const open = new Set<object>()
  let closed = false
  let opened = 'pool' in via ? listenTo(via.pool) : undefined

  const pool = async (): Promise<PgPool> => {
    if ('pool' in via) return via.pool
    if (closed) throw new BroadcasterError('CLOSED', 'the PostgreSQL store was closed')
    own ??= openPool(via.connectionString, open).then((pool) => {
      opened = listenTo(pool)
      return pool
    })
    return own
  }

  const connections = new Connections<PgPoolClient>({
    database: 'PostgreSQL',
    async connect() {
      try {
        const client = await (await pool()).connect()
        // The pool takes its own listener away from the clients that it hands out, and the loss of a connection, unheard,
        // would end the process. The next statement on it fails, and says why.
        client.on('error', ignore)
        return client
      } catch (error) {
        throw storeError(error)
      }
    },
    release(client) {
      client.removeListener('error', ignore)
      client.release()
    },
    // Its listener stays: what runs on it fails now.
    destroy: (client) => client.release(true),
    identity: (client) => client,
    openedAt: (client) => opened?.of(client),
    fateAfter,
  })

  return {
    connections,
    async end() {
      if (closed) return
      closed = true
      const ending = own?.then((pool) => pool.end()).catch(ignore)
      if (ending !== undefined && (await Promise.race([ending.then(() => false), delay(CLOSE, true, { ref: false })])))
        for (const client of open) cutOff(client)
    },
    async connectListener(channel) {
      if (typeof listen === 'function') return dedicated(await listen())
      if (typeof listen === 'object') return connect(listen.connectionString)
      if ('connectionString' in via) return connect(via.connectionString)
      return listenOnPool(await pool(), channel)
    },
  }
}

/** Pools that have a listener of ours. */
const heard = new WeakSet<PgPool>()

/**
 * An idle connection that the server closes is not an error of anybody's call; `pg` tells of it by an event that, unheard, ends
 * the process. So does each restart of the server under a pool of the application that forgot to listen.
 */
function listenTo(pool: PgPool): OpenedConnections {
  if (!heard.has(pool)) pool.on?.('error', ignore)
  heard.add(pool)
  return OpenedConnections.of(pool, 'connect')
}

async function openPool(connectionString: string, open: Set<object>): Promise<OwnPool> {
  const { Pool } = await importPg()
  const pool = new Pool({
    connectionString,
    application_name: APPLICATION_NAME,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT,
  })
  pool.on('connect', (client) => open.add(client))
  pool.on('remove', (client) => open.delete(client))
  return pool
}

async function connect(connectionString: string): Promise<ListenConnection> {
  const { Client } = await importPg()
  const client = new Client({
    connectionString,
    application_name: `${APPLICATION_NAME} listen`,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT,
  })
  client.on('error', ignore)
  await client.connect()
  return dedicated(client)
}

function dedicated(client: DedicatedClient): ListenConnection {
  return {
    client,
    async close() {
      // Behind a pooler the session outlives us.
      await client.query('UNLISTEN *').catch(ignore)
      await client.end()
    },
    destroy() {
      void client.end().catch(ignore)
      cutOff(client)
    },
  }
}

/** `end` says goodbye and waits for the server to hang up, which one that is gone never does. */
function cutOff(client: object): void {
  const { connection } = client as { readonly connection?: { readonly stream?: { destroy?(): void } } }
  connection?.stream?.destroy?.()
}

function ignore(): void {}

async function importPg(): Promise<PgModule> {
  try {
    return (await import('pg')).default as unknown as PgModule
  } catch (cause) {
    throw new BroadcasterError(
      'MISSING_DEPENDENCY',
      'a connection string needs the package pg: run `npm install pg`, or give postgres() a pool or PGlite',
      { field: 'connectionString', cause },
    )
  }
}
