import { BroadcasterError } from '../../errors.ts'
import type { ListenConnection } from './listen.ts'
import type { DedicatedClient, ResolvedOptions } from './options.ts'
import type { PgPool } from './pg-client.ts'
import { listenOnPool } from './pooled-listening.ts'

/** The pool and the listening connection that the options ask for. What we open here we close. */
export interface OpenPg {
  pool(): Promise<PgPool>
  /** Closes the pool if it is ours. Idempotent. */
  end(): Promise<void>
  /** Listening stays with whoever asked; `channel` is all that it listens to. */
  connectListener(channel: string): Promise<ListenConnection>
}

interface OwnPool extends PgPool {
  on(event: 'error', listener: (error: Error) => void): unknown
  end(): Promise<void>
}

/** What we use of the module `pg`. */
interface PgModule {
  readonly Pool: new (options: { connectionString: string; application_name: string }) => OwnPool
  readonly Client: new (options: {
    connectionString: string
    application_name: string
    keepAlive: boolean
  }) => DedicatedClient & { connect(): Promise<unknown> }
}

const APPLICATION_NAME = 'ts-broadcaster'

/** Opens nothing yet: the pool is made at first use. */
export function openPg({ via, listen }: ResolvedOptions): OpenPg {
  if ('pglite' in via) throw new TypeError('PGlite has no pool')
  let own: Promise<OwnPool> | undefined
  let closed = false

  const pool = async (): Promise<PgPool> => {
    if ('pool' in via) return via.pool
    if (closed) throw new BroadcasterError('CLOSED', 'the PostgreSQL store was closed')
    own ??= openPool(via.connectionString)
    return own
  }

  return {
    pool,
    async end() {
      if (closed) return
      closed = true
      await (await own?.catch(() => undefined))?.end()
    },
    async connectListener(channel) {
      if (typeof listen === 'function') return dedicated(await listen())
      if (typeof listen === 'object') return connect(listen.connectionString)
      if ('connectionString' in via) return connect(via.connectionString)
      return listenOnPool(await pool(), channel)
    },
  }
}

async function openPool(connectionString: string): Promise<OwnPool> {
  const { Pool } = await importPg()
  const pool = new Pool({ connectionString, application_name: APPLICATION_NAME })
  // An idle connection that the server closes is not an error of anybody's call; unheard it would end the process.
  pool.on('error', () => {})
  return pool
}

async function connect(connectionString: string): Promise<ListenConnection> {
  const { Client } = await importPg()
  const client = new Client({ connectionString, application_name: `${APPLICATION_NAME} listen`, keepAlive: true })
  client.on('error', () => {})
  await client.connect()
  return dedicated(client)
}

function dedicated(client: DedicatedClient): ListenConnection {
  return {
    client,
    async close() {
      // Behind a pooler the session outlives us.
      await client.query('UNLISTEN *').catch(() => undefined)
      await client.end()
    },
    destroy: () => void client.end().catch(() => undefined),
  }
}

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
