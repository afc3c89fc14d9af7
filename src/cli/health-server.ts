import { once } from 'node:events'
import { createServer } from 'node:http'
import { BroadcasterError } from '../errors.ts'
import { toNodeListener } from '../foundation/node-listener.ts'
import type { HealthSource } from '../health/health.ts'
import { healthHandler } from '../health/health-handler.ts'

/** Where a worker tells its health. */
export interface HealthAddress {
  /** 0 = one that is free. */
  readonly port: number
  readonly host: string
  /** Whether the answers name what was looked at. */
  readonly details: boolean
}

/** How long a request may take to come in, in milliseconds: a probe is a few lines. */
const REQUEST_TIME = 5_000
/** Connections at one time. */
const CONNECTIONS = 100

/** Listens. Resolves with where, and how to end. Throws `INVALID_OPTION` when it cannot. */
export async function serveHealth(
  sources: readonly HealthSource[],
  { port, host, details }: HealthAddress,
): Promise<{ readonly url: string; close(): void }> {
  const handler = healthHandler(sources, { details, readyWhen: 'any' })
  const times = {
    requestTimeout: REQUEST_TIME,
    headersTimeout: REQUEST_TIME,
    connectionsCheckingInterval: REQUEST_TIME,
  }
  const server = createServer(times, toNodeListener(handler))
  server.maxConnections = CONNECTIONS
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `the health port ${port} of ${host} cannot be opened: ${why}; give another --health-port or --health-host`
    throw new BroadcasterError('INVALID_OPTION', message, { field: 'health-port', value: port, cause })
  }
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
