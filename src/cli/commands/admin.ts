import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { resolve } from 'node:path'
import { adminHandler } from '../../admin-http/admin-handler.ts'
import { ROUTES } from '../../admin-http/api-routes.ts'
import { openApiDocument } from '../../admin-http/openapi.ts'
import { LEAST_TOKEN } from '../../admin-http/options.ts'
import { isLoopback } from '../../admin-http/origin.ts'
import { packageVersion } from '../../admin-http/package-folder.ts'
import { toNodeListener } from '../../foundation/node-listener.ts'
import { defineCommand } from '../command.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import type { Screen } from '../screen.ts'

const HOST = '127.0.0.1'
const PORT = 8_088
/** The variable with the token: an option would be visible in a list of processes. */
const TOKEN = 'BROADCASTER_ADMIN_TOKEN'
/** How long a request may take to come in, in milliseconds. */
const REQUEST_TIME = 10_000
/** Connections at one time. */
const CONNECTIONS = 500

/** `broadcaster admin`. */
export const admin = defineCommand({
  name: 'admin',
  summary: 'Serves the pages and the API for operators, until it is stopped.',
  description:
    `The token is read from ${TOKEN}, or from a file. On this machine only, one is made\n` +
    'when none is given, and printed once. It speaks plain HTTP: put a proxy with TLS in front of it.',
  options: {
    port: {
      kind: 'integer',
      min: 0,
      max: 65_535,
      help: `Listens at this port; 0 = one that is free. Default: ${PORT}.`,
    },
    host: {
      kind: 'text',
      value: 'address',
      help: `Listens at this address. Default: ${HOST}, for this machine only.`,
    },
    'token-file': { kind: 'text', value: 'path', help: 'Reads the token from this file.' },
    openapi: { kind: 'flag', help: 'Prints the OpenAPI 3.1 document of the API, and serves nothing.' },
    'show-keys': { kind: 'flag', help: 'Shows partition keys as they are, in place of a hash.' },
  },
  examples: ['broadcaster admin', 'broadcaster admin --host 0.0.0.0 --token-file /run/secrets/admin-token'],
  async run({ options }, { terminal, outboxes }) {
    if (options.openapi) {
      terminal.verbatim(JSON.stringify(openApiDocument(ROUTES, packageVersion())))
      return EXIT.ok
    }
    const { host = HOST, port = PORT, 'token-file': file, 'show-keys': showKeys } = options
    const given = tokenOf(terminal, file)
    if (given === undefined && !isLoopback(host)) {
      throw new UsageError(`at ${host} others can reach it, so a token is needed: set ${TOKEN}, or give --token-file`)
    }
    const token = given ?? randomBytes(24).toString('base64url')
    const named = Object.fromEntries((await outboxes()).map(({ name, broadcaster }) => [name, broadcaster]))
    const server = createServer(
      { requestTimeout: REQUEST_TIME, headersTimeout: REQUEST_TIME },
      toNodeListener(adminHandler(named, { token, showKeys })),
    )
    server.maxConnections = CONNECTIONS
    const signal = terminal.stopSignal()
    const url = await listenAt(server, host, port)
    terminal.out(`broadcaster admin at ${url}/`)
    if (given === undefined) terminal.out(`The token of this run: ${token}`)
    if (!signal.aborted) await once(signal, 'abort')
    server.close()
    server.closeAllConnections()
    return EXIT.ok
  },
})

/** Undefined: none is given. Throws `UsageError` for a file that cannot be read. */
function tokenOf({ env, cwd }: Screen, file: string | undefined): string | undefined {
  if (file === undefined) return longEnough(env[TOKEN] || undefined, TOKEN)
  let token: string
  try {
    token = readFileSync(resolve(cwd, file), 'utf8').trim()
  } catch (cause) {
    throw new UsageError(`--token-file cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  return longEnough(token, '--token-file')
}

/** The token; throws `UsageError` for one that is short, which says where it comes from. */
function longEnough(token: string | undefined, from: string): string | undefined {
  if (token === undefined || token.length >= LEAST_TOKEN) return token
  throw new UsageError(`the token in ${from} is too short; a token has ${LEAST_TOKEN} to 200 characters`)
}

async function listenAt(server: Server, host: string, port: number): Promise<string> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`port ${port} of ${host} cannot be opened: ${why}; give another --port or --host`)
  }
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
}
