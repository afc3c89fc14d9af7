import type { OptionCheck } from '../option-check.ts'

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

/** What of the client's options is not up to the user: the address has its own, and the rest is how we lose nothing. */
const OURS: ReadonlySet<string> = new Set([
  ...['protocol', 'host', 'hostname', 'port', 'path', 'servers', 'query', 'auth', 'unixSocket'],
  ...['protocolVersion', 'protocolId', 'clientId', 'clean', 'keepalive', 'connectTimeout', 'manualConnect'],
  ...['reconnectPeriod', 'reconnectOnConnackError', 'resubscribe', 'queueQoSZero', 'incomingStore', 'outgoingStore'],
  ...['customHandleAcks', 'messageIdProvider', 'autoUseTopicAlias', 'autoAssignTopicAlias'],
])

/** The address in the option `url`. */
export function addressOf(check: OptionCheck): Address {
  const text = check.text('url')
  if (text === undefined) return DEFAULT
  const url = URL.parse(text)
  const protocol = url?.protocol.slice(0, -1)
  const known = protocol === 'mqtt' || protocol === 'mqtts' || protocol === 'ws' || protocol === 'wss'
  const web = protocol === 'ws' || protocol === 'wss'
  // The client would take its name from there.
  const extra = url && (web ? url.searchParams.has('clientId') : url.search !== '' || !/^\/?$/.test(url.pathname))
  if (!url || !known || url.hostname === '' || extra) {
    // The value may hold a password: it is not shown.
    check.problem('url', 'must be mqtt[s]://[user:password@]host[:port] without a path or query, or ws[s]://...')
    return DEFAULT
  }
  const decoded = (part: string): string => {
    try {
      return decodeURIComponent(part)
    } catch {
      check.problem('url', 'has a part whose percent-encoding is wrong')
      return ''
    }
  }
  return {
    protocol,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port ? Number(url.port) : PORTS[protocol],
    ...(web ? { path: url.pathname + url.search } : {}),
    ...(url.username === '' ? {} : { username: decoded(url.username) }),
    ...(url.password === '' ? {} : { password: decoded(url.password) }),
  }
}

/** The option `connection`, checked. */
export function connectionOf(
  given: Readonly<Record<string, unknown>> | undefined,
  check: OptionCheck,
): Readonly<Record<string, unknown>> {
  if (given === undefined) return {}
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    check.problem('connection', 'must be an object of options of the package mqtt')
    return {}
  }
  const ours = Object.keys(given).filter((name) => OURS.has(name))
  if (ours.length > 0) check.problem('connection', `must not have ${ours.join(', ')}, which we set ourselves`)
  return given
}
