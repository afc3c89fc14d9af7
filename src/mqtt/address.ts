import { withCredentials } from '../foundation/credential.ts'
import { byDefault, parsed, passedOn } from '../foundation/option-kinds.ts'
import type { Refuse } from '../foundation/option-table.ts'
import { urlParts } from '../foundation/url-parts.ts'

/** Where a server is, and as whom to connect, as the package `mqtt` takes it. */
export interface Address {
  readonly protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss'
  readonly host: string
  readonly port: number
  /** Of a WebSocket. */
  readonly path?: string
  readonly username?: string
  readonly password?: string
}

const PORTS = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 } as const
const DEFAULT: Address = { protocol: 'mqtt', host: '127.0.0.1', port: PORTS.mqtt }

/**
 * Client options that the user may not set: the address has its own, and on the others it depends that nothing is lost.
 */
const OURS: ReadonlySet<string> = new Set([
  ...['protocol', 'host', 'hostname', 'port', 'path', 'servers', 'query', 'auth', 'unixSocket'],
  ...['protocolVersion', 'protocolId', 'clientId', 'clean', 'keepalive', 'connectTimeout', 'manualConnect'],
  ...['reconnectPeriod', 'reconnectOnConnackError', 'resubscribe', 'queueQoSZero', 'incomingStore', 'outgoingStore'],
  ...['customHandleAcks', 'messageIdProvider', 'autoUseTopicAlias', 'autoAssignTopicAlias'],
])

/** The option `url`. */
export const addressOption = parsed<string, Address>(
  'mqtt[s]://[user:password@]host[:port] without a path or query, or ws[s]://..., with special characters percent-encoded',
  DEFAULT,
  readAddress,
)

function readAddress(value: unknown): Address | undefined {
  const url = urlParts(value, Object.keys(PORTS))
  if (!url || url.host === '') return undefined
  const protocol = url.scheme as keyof typeof PORTS
  const web = protocol === 'ws' || protocol === 'wss'
  // The client would take its client id from there.
  const extra = web ? new URLSearchParams(url.query).has('clientId') : url.query !== '' || !/^\/?$/.test(url.path)
  if (extra) return undefined
  return {
    protocol,
    host: url.host,
    port: url.port ?? PORTS[protocol],
    ...(web ? { path: url.path + url.query } : {}),
    ...(url.username === undefined ? {} : { username: url.username }),
    ...(url.password === undefined ? {} : { password: url.password }),
  }
}

type Anything = Readonly<Record<string, unknown>>

const passed = withCredentials(passedOn<Anything, Anything>('an object of options of the package mqtt', {}))

/** The option `connection`. */
export const connectionOption = byDefault({} as Anything, {
  ...passed,
  read: (value: unknown, refuse: Refuse) => {
    const read = passed.read(value, refuse)
    const ours = Object.keys(Object(value)).filter((name) => OURS.has(name))
    if (ours.length > 0) refuse(`must not have ${ours.join(', ')}, which we set ourselves`)
    return read
  },
})
