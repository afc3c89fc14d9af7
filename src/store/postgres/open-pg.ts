import { BroadcasterError } from '../../errors.ts'
import { Connections } from '../connections.ts'
import { CONNECT, given, owned, type PoolSource } from '../pool-source.ts'
import { ownPoolSize } from '../statement-limits.ts'
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

interface EndingPool extends PgPool {
  on(event: 'connect' | 'remove' | 'error', listener: (client: object) => void): unknown
  end(): Promise<void>
}

/** What we use of the module `pg`. */
interface PgModule {
  readonly Pool: new (options: {
    connectionString: string
    max: number
    application_name: string
    keepAlive: boolean
    connectionTimeoutMillis: number
    allowExitOnIdle: boolean
  }) => EndingPool
  readonly Client: new (options: {
    connectionString: string
    application_name: string
    keepAlive: boolean
    connectionTimeoutMillis: number
  }) => DedicatedClient & { connect(): Promise<unknown> }
}

const APPLICATION_NAME = 'ts-broadcaster'

/** Opens nothing yet: the pool is made at first use. */
export function openPg({ via, listen, statements }: ResolvedOptions): OpenPg {
  if ('pglite' in via) throw new TypeError('PGlite has no pool')
  if ('pool' in via) hear(via.pool)
  const source: PoolSource<PgPool> =
    'pool' in via
      ? given(via.pool, 'connect')
      : owned({
          database: 'PostgreSQL',
          event: 'connect',
          open: (opened) => openPool(via.url, ownPoolSize(statements), opened),
          cutOff,
        })

  const connections = new Connections<PgPoolClient>({
    database: 'PostgreSQL',
    async connect() {
      const client = await (await source.get()).connect()
      // The pool takes its own listener away from the clients that it hands out, and the loss of a connection, without a listener, would
      // end the process. The next statement on it fails, and says why.
      client.on('error', ignore)
      return client
    },
    release(client) {
      client.removeListener('error', ignore)
      client.release()
    },
    // Its listener stays: what runs on it fails now.
    destroy: (client) => client.release(true),
    identity: (client) => client,
    openedAt: (client) => source.openedAt(client),
    fateAfter,
    storeError,
  })

  return {
    connections,
    end: () => source.end(),
    async connectListener(channel) {
      if (typeof listen === 'function') return dedicated(await listen())
      if (typeof listen === 'object') return connect(listen.url)
      if ('url' in via) return connect(via.url)
      return listenOnPool(await source.get(), channel)
    },
  }
}

/** Pools that have a listener of ours. */
const heard = new WeakSet<PgPool>()

/**
 * An idle connection that the server closes is not an error of anybody's call; `pg` emits an event for it that, without a listener, ends
 * the process. So does each restart of the server under a pool of the application that forgot to listen.
 */
function hear(pool: PgPool): void {
  if (!heard.has(pool)) pool.on?.('error', ignore)
  heard.add(pool)
}

async function openPool(connectionString: string, max: number, open: Set<object>): Promise<EndingPool> {
  const { Pool } = await importPg()
  const pool = new Pool({
    connectionString,
    max,
    application_name: APPLICATION_NAME,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT,
    // A script that forgets to close the store still ends.
    allowExitOnIdle: true,
  })
  hear(pool)
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
      'a url needs the package pg: run `npm install pg`, or give postgres() a pool or PGlite',
      { field: 'url', cause },
    )
  }
}
