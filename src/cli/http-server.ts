import { once } from 'node:events'
import { createServer } from 'node:http'
import { BroadcasterError } from '../errors.ts'
import { toNodeListener } from '../foundation/node-listener.ts'

/** What a worker answers over HTTP besides its work. */
export interface HttpService {
  /** Of `health` the options are `--health-port` and `--health-host`. */
  readonly name: 'health' | 'metrics'
  /** 0 = one that is free. */
  readonly port: number
  readonly host: string
  readonly paths: readonly string[]
  readonly handle: (request: Request) => Promise<Response>
}

/** What listens. */
export interface HttpServers {
  /** `http://127.0.0.1:8081`, by the name of the service. */
  readonly urls: ReadonlyMap<HttpService['name'], string>
  close(): void
}

/** How long a request may take to come in, in milliseconds: a probe or a scrape is a few lines. */
const REQUEST_TIME = 5_000
/** Connections of one server at one time. */
const CONNECTIONS = 100

/** Listens for all; those of the same address share a server. Throws `INVALID_OPTION` when one cannot be opened, and opens none. */
export async function serveHttp(services: readonly HttpService[]): Promise<HttpServers> {
  const urls = new Map<HttpService['name'], string>()
  const closing: (() => void)[] = []
  const close = (): void => {
    for (const end of closing) end()
  }
  const shared = Map.groupBy(services, ({ name, host, port }) => (port === 0 ? name : `${host} ${port}`))
  try {
    for (const together of shared.values()) {
      const { url, close: end } = await listen(together, services)
      closing.push(end)
      for (const { name } of together) urls.set(name, url)
    }
  } catch (error) {
    close()
    throw error
  }
  return { urls, close }
}

async function listen(
  services: readonly HttpService[],
  all: readonly HttpService[],
): Promise<{ readonly url: string; close(): void }> {
  const [first] = services
  if (first === undefined) throw new Error('nothing to listen for')
  const { name, host, port } = first
  const times = {
    requestTimeout: REQUEST_TIME,
    headersTimeout: REQUEST_TIME,
    connectionsCheckingInterval: REQUEST_TIME,
  }
  const server = createServer(times, toNodeListener(handlerOf(services)))
  server.maxConnections = CONNECTIONS
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const open = all.slice(0, all.indexOf(first)).find((one) => port !== 0 && one.port === port)
    const shared = open ? `; ${open.name} has it at ${open.host}, and two that share a port need the same host` : ''
    const message = `the ${name} port ${port} of ${host} cannot be opened: ${why}${shared}; give another --${name}-port or --${name}-host`
    throw new BroadcasterError('INVALID_OPTION', message, { field: `${name}-port`, value: port, cause })
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

function handlerOf(services: readonly HttpService[]): HttpService['handle'] {
  return async (request) => {
    const { pathname } = new URL(request.url)
    const service = services.find(({ paths }) => paths.includes(pathname))
    return service ? service.handle(request) : new Response('not found\n', { status: 404 })
  }
}
