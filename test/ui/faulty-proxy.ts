import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A proxy in front of the admin, which takes a prefix away, as they do, and can be slow or broken. */
export interface FaultyProxy {
  /** Where browsers find the admin: ends with a slash. */
  readonly url: string
  /** Calls whose path has one of these are answered late, in milliseconds. */
  readonly delays: Map<string, number>
  /** Calls whose path has one of these are answered by an error page of the proxy. */
  readonly broken: Set<string>
  close(): Promise<void>
}

export async function faultyProxy(port: number, prefix = '/ops/outbox'): Promise<FaultyProxy> {
  const delays = new Map<string, number>()
  const broken = new Set<string>()
  const server = createServer((from, to) => {
    const path = from.url ?? ''
    if (!path.startsWith(`${prefix}/`)) return void to.writeHead(404).end('not of this application')
    const own = path.slice(prefix.length)
    if ([...broken].some((part) => own.includes(part))) {
      return void to.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>')
    }
    const delay = [...delays].find(([part]) => own.includes(part))?.[1] ?? 0
    const pass = (): void => {
      const asked = request({ port, path: own, method: from.method, headers: from.headers }, (answer) => {
        to.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(to)
      })
      asked.on('error', () => to.destroy())
      to.on('close', () => asked.destroy())
      from.pipe(asked)
    }
    if (delay === 0) pass()
    else setTimeout(pass, delay).unref()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}/`,
    delays,
    broken,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
