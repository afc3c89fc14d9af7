import { BroadcasterError } from '../../errors.ts'
import { Connections } from '../connections.ts'
import { CONNECT, given, owned, type PoolSource } from '../pool-source.ts'
import { ownPoolSize } from '../statement-limits.ts'
import type { Mysql2Pool, Mysql2PoolConnection } from './mysql2-client.ts'
import type { ResolvedOptions } from './options.ts'
import { fateAfter, storeError } from './store-error.ts'

/** The connections of the pool that the options name. What we open here we close. */
export interface OpenMysql2 {
  readonly connections: Connections<Mysql2PoolConnection>
  /** Closes the pool if it is ours, in bounded time. Idempotent. */
  end(): Promise<void>
}

interface EndingPool extends Mysql2Pool {
  on(event: 'connection' | 'acquire' | 'release', listener: (connection: object) => void): unknown
  end(): Promise<void>
}

/** What we use of the module `mysql2/promise`. */
interface Mysql2Module {
  createPool(options: {
    uri: string
    connectionLimit: number
    charset: string
    connectTimeout: number
    enableKeepAlive: boolean
    connectAttributes: Record<string, string>
  }): EndingPool
}

/** Opens nothing yet: a pool of ours is made at first use. */
export function openMysql2({ via, statements }: ResolvedOptions): OpenMysql2 {
  const source: PoolSource<Mysql2Pool> =
    'pool' in via
      ? given(via.pool, 'connection')
      : owned({
          database: 'MySQL',
          event: 'connection',
          open: (opened) => openPool(via.url, ownPoolSize(statements), opened),
          cutOff,
        })
  return {
    connections: new Connections<Mysql2PoolConnection>({
      database: 'MySQL',
      connect: async () => (await source.get()).getConnection(),
      release: (connection) => connection.release(),
      destroy(connection) {
        if (!cutOff(coreOf(connection))) connection.destroy()
      },
      identity: coreOf,
      openedAt: (core) => source.openedAt(core),
      fateAfter,
      storeError,
    }),
    end: () => source.end(),
  }
}

/** The connection itself: the library wraps it anew each time it hands it out. */
function coreOf(connection: Mysql2PoolConnection): object {
  const { connection: core } = connection as { readonly connection?: unknown }
  return typeof core === 'object' && core !== null ? core : connection
}

/**
 * The library's `destroy` says goodbye and waits for the server to hang up, which a dead one never does, and callers
 * waiting for an answer would wait for ever. When its socket is destroyed, the library tells them, and removes the
 * connection from its pool.
 */
function cutOff(core: object): boolean {
  const { stream } = core as { readonly stream?: { destroy?(error: Error): void } }
  stream?.destroy?.(new Error('the connection was destroyed: an answer did not come in time'))
  return stream?.destroy !== undefined
}

async function openPool(uri: string, connectionLimit: number, open: Set<object>): Promise<EndingPool> {
  const { createPool } = await importMysql2()
  const pool = createPool({
    uri,
    connectionLimit,
    charset: 'utf8mb4',
    connectTimeout: CONNECT,
    enableKeepAlive: true,
    connectAttributes: { program_name: 'ts-broadcaster' },
  })
  pool.on('connection', (connection) => {
    open.add(connection)
    streamOf(connection)?.once?.('close', () => open.delete(connection))
  })
  // A script that forgets to close the store still ends: idle connections do not keep the process alive.
  pool.on('acquire', (connection) => streamOf(connection)?.ref?.())
  pool.on('release', (connection) => streamOf(connection)?.unref?.())
  return pool
}

interface Stream {
  once?(event: 'close', listener: () => void): unknown
  ref?(): unknown
  unref?(): unknown
}

function streamOf(connection: object): Stream | undefined {
  return (connection as { readonly stream?: Stream }).stream
}

async function importMysql2(): Promise<Mysql2Module> {
  try {
    return (await import('mysql2/promise')) as unknown as Mysql2Module
  } catch (cause) {
    throw new BroadcasterError(
      'MISSING_DEPENDENCY',
      'a URL needs the package mysql2: run `npm install mysql2`, or give mysql() a pool',
      { field: 'url', cause },
    )
  }
}
