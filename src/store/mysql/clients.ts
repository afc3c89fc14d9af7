import { limitsOf, type ResolvedStatementOptions, type UseLimits } from '../statement-limits.ts'
import type { Client, Clients } from './client.ts'
import { mysql2Client, mysql2Lender } from './mysql2-client.ts'
import type { OpenMysql2 } from './open-mysql2.ts'

/** How long a transaction of the application may wait for a connection, in ms. */
const APPLICATION_WAIT = 30_000

/** Each use with connections of its own, so that what hangs in one keeps no other waiting. */
export function clientsOn({ connections, end }: OpenMysql2, options: ResolvedStatementOptions): Clients {
  const limits = limitsOf(options)
  const client = (size: number, use: keyof UseLimits): Client => mysql2Client(connections, size, limits[use])
  return {
    worker: client(Math.max(1, options.connections - 1), 'worker'),
    heartbeat: client(1, 'heartbeat'),
    operator: client(1, 'operator'),
    migration: client(1, 'migration'),
    handlers: mysql2Lender(connections, options.transactions, { wait: limits.worker.total, conclusion: limits.worker }),
    application: mysql2Lender(connections, Number.POSITIVE_INFINITY, {
      wait: APPLICATION_WAIT,
      conclusion: limits.worker,
    }),
    close: end,
  }
}
