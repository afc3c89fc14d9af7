import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'

/** A server that answers now. */
export interface Server {
  readonly url: string
}

interface Known {
  /** The environment variable that overrides the URL; `scripts/services` writes it to `.services/env`. */
  readonly variable: string
  readonly url: string
  /** What to say first, and how the right kind of server answers: another one on the port is no server. */
  readonly hello: Uint8Array
  readonly answers: RegExp | ((answer: string) => boolean)
}

/** PostgreSQL's SSLRequest: it is answered by one byte, S or N, before any login. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

const KNOWN = {
  postgres: {
    variable: 'POSTGRES_URL',
    url: 'postgres://postgres@127.0.0.1:5432/test',
    hello: SSL_REQUEST,
    answers: /^[SN]/,
  },
  postgres13: {
    variable: 'POSTGRES13_URL',
    url: 'postgres://postgres@127.0.0.1:5413/test',
    hello: SSL_REQUEST,
    answers: /^[SN]/,
  },
  postgres18: {
    variable: 'POSTGRES18_URL',
    url: 'postgres://postgres@127.0.0.1:5418/test',
    hello: SSL_REQUEST,
    answers: /^[SN]/,
  },
  pgbouncer: {
    variable: 'PGBOUNCER_URL',
    url: 'postgres://postgres@127.0.0.1:6432/test',
    hello: SSL_REQUEST,
    answers: /^[SN]/,
  },
  // Their greeting begins with the version of the protocol, and that of the server follows.
  mariadb: {
    variable: 'MARIADB_URL',
    url: 'mysql://root@127.0.0.1:3306/test',
    hello: Buffer.alloc(0),
    answers: (answer: string) => answer.charCodeAt(4) === 10 && answer.includes('MariaDB'),
  },
  mysql: {
    variable: 'MYSQL_URL',
    url: 'mysql://root@127.0.0.1:3307/test',
    hello: Buffer.alloc(0),
    answers: (answer: string) => answer.charCodeAt(4) === 10 && !answer.includes('MariaDB'),
  },
  redis: {
    variable: 'REDIS_URL',
    url: 'redis://127.0.0.1:6379',
    hello: Buffer.from('PING\r\n'),
    answers: /^(\+PONG|-NOAUTH)/,
  },
  nats: { variable: 'NATS_URL', url: 'nats://127.0.0.1:4222', hello: Buffer.alloc(0), answers: /^INFO / },
  rabbitmq: {
    variable: 'AMQP_URL',
    url: 'amqp://guest:guest@127.0.0.1:5672',
    hello: Buffer.from('AMQP\0\0\x09\x01', 'latin1'),
    // Its greeting names the product.
    answers: /RabbitMQ/,
  },
  mosquitto: {
    variable: 'MQTT_URL',
    url: 'mqtt://127.0.0.1:1883',
    // CONNECT, without a name; CONNACK.
    hello: Buffer.from('\x10\x0c\0\x04MQTT\x04\x02\0\x05\0\0', 'latin1'),
    answers: (answer: string) => answer.startsWith(' \x02\0'),
  },
  kafka: {
    variable: 'KAFKA_URL',
    url: 'kafka://127.0.0.1:9092',
    // ApiVersions with the correlation id 7, which comes back.
    hello: Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255]),
    answers: (answer: string) => answer.slice(4, 8) === '\0\0\0\x07',
  },
} as const satisfies Record<string, Known>

export type ServerName = keyof typeof KNOWN

const required = process.env['BROADCASTER_REQUIRE_SERVERS'] === '1'
const written = readWritten()
const found = new Map<ServerName, Server>()
await Promise.all((Object.keys(KNOWN) as ServerName[]).map(find))

/** The servers that answered when this file was loaded. */
export const servers = {
  postgres: (): Server | undefined => found.get('postgres'),
  postgres13: (): Server | undefined => found.get('postgres13'),
  postgres18: (): Server | undefined => found.get('postgres18'),
  pgbouncer: (): Server | undefined => found.get('pgbouncer'),
  mariadb: (): Server | undefined => found.get('mariadb'),
  mysql: (): Server | undefined => found.get('mysql'),
  redis: (): Server | undefined => found.get('redis'),
  nats: (): Server | undefined => found.get('nats'),
  rabbitmq: (): Server | undefined => found.get('rabbitmq'),
  mosquitto: (): Server | undefined => found.get('mosquitto'),
  kafka: (): Server | undefined => found.get('kafka'),
} as const satisfies Record<ServerName, () => Server | undefined>

/**
 * The server, or undefined after marking the test as skipped: `const redis = requireServer(t, 'redis'); if (!redis) return`.
 * Throws instead when BROADCASTER_REQUIRE_SERVERS=1.
 */
export function requireServer(t: Pick<TestContext, 'skip'>, name: ServerName): Server | undefined {
  const reason = skipWithout(name)
  if (reason !== false) t.skip(reason)
  return found.get(name)
}

/**
 * The reason to skip for want of a server, or false: `describe('...', { skip: skipWithout('postgres', 'redis') }, ...)`.
 * Throws instead when BROADCASTER_REQUIRE_SERVERS=1.
 */
export function skipWithout(...names: readonly ServerName[]): string | false {
  const missing = names.find((name) => !found.has(name))
  if (missing === undefined) return false
  const reason = `no ${missing} server at ${urlOf(missing)} (start one with \`scripts/services\`, or set ${KNOWN[missing].variable})`
  if (required) throw new Error(`${reason}, and BROADCASTER_REQUIRE_SERVERS=1`)
  return reason
}

async function find(name: ServerName): Promise<void> {
  const url = urlOf(name)
  if (await answers(url, KNOWN[name])) found.set(name, { url })
}

function urlOf(name: ServerName): string {
  const { variable, url } = KNOWN[name]
  return process.env[variable] ?? written.get(variable) ?? url
}

function answers(url: string, known: Known): Promise<boolean> {
  const { hostname, port } = new URL(url)
  const defaultPort = Number(new URL(known.url).port)
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: port === '' ? defaultPort : Number(port) })
    const end = (yes: boolean): void => {
      socket.destroy()
      resolve(yes)
    }
    // One that is not there refuses at once; one that must be there may be busy.
    socket.setTimeout(required ? 60_000 : 2_000, () => end(false))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
    socket.on('data', (data) => {
      const answer = data.toString('latin1')
      end(typeof known.answers === 'function' ? known.answers(answer) : known.answers.test(answer))
    })
    socket.on('connect', () => socket.write(known.hello))
  })
}

/** What `scripts/services` found or started, so that a test run in another shell finds it too. */
function readWritten(): ReadonlyMap<string, string> {
  let text: string
  try {
    text = readFileSync(new URL('../../.services/env', import.meta.url), 'utf8')
  } catch {
    return new Map()
  }
  return new Map(Array.from(text.matchAll(/^export (\w+)='([^']*)'$/gm), ([, name = '', value = '']) => [name, value]))
}
