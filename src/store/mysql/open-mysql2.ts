import { BroadcasterError } from '../../errors.ts'
import type { Mysql2Pool } from './mysql2-client.ts'
import type { ResolvedOptions } from './options.ts'

/** The pool that the options ask for. What we open here we close. */
export interface OpenMysql2 {
  pool(): Promise<Mysql2Pool>
  /** Closes the pool if it is ours. Idempotent. */
  end(): Promise<void>
}

interface OwnPool extends Mysql2Pool {
  end(): Promise<void>
}

/** What we use of the module `mysql2/promise`. */
interface Mysql2Module {
  createPool(options: { uri: string; charset: string; connectAttributes: Record<string, string> }): OwnPool
}

/** Opens nothing yet: the pool is made at first use. */
export function openMysql2({ via }: ResolvedOptions): OpenMysql2 {
  let own: Promise<OwnPool> | undefined
  let closed = false
  return {
    async pool() {
      if ('pool' in via) return via.pool
      if (closed) throw new BroadcasterError('CLOSED', 'the MySQL store was closed')
      own ??= openPool(via.url)
      return own
    },
    async end() {
      if (closed) return
      closed = true
      await (await own?.catch(() => undefined))?.end()
    },
  }
}

async function openPool(uri: string): Promise<OwnPool> {
  const { createPool } = await importMysql2()
  return createPool({ uri, charset: 'utf8mb4', connectAttributes: { program_name: 'ts-broadcaster' } })
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
