import { setTimeout as delay } from 'node:timers/promises'
import { BroadcasterError } from '../../errors.ts'
import { Connections } from '../connections.ts'
import { OpenedConnections } from '../opened-connections.ts'
import type { Mysql2Pool, Mysql2PoolConnection } from './mysql2-client.ts'
import type { ResolvedOptions } from './options.ts'
import { fateAfter, storeError } from './store-error.ts'

/** The connections of the pool that the options ask for. What we open here we close. */
export interface OpenMysql2 {
  readonly connections: Connections<Mysql2PoolConnection>
  /** Closes the pool if it is ours, in bounded time. Idempotent. */
  end(): Promise<void>
}

interface OwnPool extends Mysql2Pool {
  on(event: 'connection', listener: (connection: object) => void): unknown
  end(): Promise<void>
}

/** What we use of the module `mysql2/promise`. */
interface Mysql2Module {
  createPool(options: {
    uri: string
    charset: string
    connectTimeout: number
    enableKeepAlive: boolean
    connectAttributes: Record<string, string>
  }): OwnPool
}

/** How long a connection may take to open, in ms. */
const CONNECT = 8_000
/** How long closing waits for the server, in ms. */
const CLOSE = 2_000

/** Opens nothing yet: the pool is made at first use. */
export function openMysql2({ via }: ResolvedOptions): OpenMysql2 {
  let own: Promise<OwnPool> | undefined
  const open = new Set<object>()
  let closed = false
  let opened = 'pool' in via ? OpenedConnections.of(via.pool, 'connection') : undefined

  const pool = async (): Promise<Mysql2Pool> => {
    if ('pool' in via) return via.pool
    if (closed) throw new BroadcasterError('CLOSED', 'the MySQL store was closed')
    own ??= openPool(via.url, open).then((pool) => {
      opened = OpenedConnections.of(pool, 'connection')
      return pool
    })
    return own
  }

  return {
    connections: new Connections<Mysql2PoolConnection>({
      database: 'MySQL',
      async connect() {
        try {
          return await (await pool()).getConnection()
        } catch (error) {
          throw storeError(error)
        }
      },
      release: (connection) => connection.release(),
      destroy(connection) {
        if (!cutOff(coreOf(connection))) connection.destroy()
      },
      identity: coreOf,
      openedAt: (core) => opened?.of(core),
      fateAfter,
    }),
    async end() {
      if (closed) return
      closed = true
      const ending = own?.then((pool) => pool.end()).catch(() => undefined)
      if (ending !== undefined && (await Promise.race([ending.then(() => false), delay(CLOSE, true, { ref: false })])))
        for (const connection of open) cutOff(connection)
    },
  }
}

/** Each time it is handed out the library wraps it anew. */
function coreOf(connection: Mysql2PoolConnection): object {
  const { connection: core } = connection as { readonly connection?: unknown }
  return typeof core === 'object' && core !== null ? core : connection
}

/**
 * The library's `destroy` says goodbye and waits for the server to hang up, which one that is gone never does, and lets who waits
 * for an answer wait for ever. With its socket gone it tells them, and takes the connection off its pool.
 */
function cutOff(core: object): boolean {
  const { stream } = core as { readonly stream?: { destroy?(error: Error): void } }
  stream?.destroy?.(new Error('the connection was destroyed: an answer did not come in time'))
  return stream?.destroy !== undefined
}

async function openPool(uri: string, open: Set<object>): Promise<OwnPool> {
  const { createPool } = await importMysql2()
  const pool = createPool({
    uri,
    charset: 'utf8mb4',
    connectTimeout: CONNECT,
    enableKeepAlive: true,
    connectAttributes: { program_name: 'ts-broadcaster' },
  })
  pool.on('connection', (connection) => {
    open.add(connection)
    const { stream } = connection as { readonly stream?: { once?(event: 'close', listener: () => void): unknown } }
    stream?.once?.('close', () => open.delete(connection))
  })
  return pool
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
