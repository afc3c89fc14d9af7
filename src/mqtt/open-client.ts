import { BroadcasterError } from '../errors.ts'
import { settles } from '../foundation/waiting.ts'
import type { Address } from './address.ts'
import { errorOfConnection } from './send-failure.ts'

type MqttJsClient = import('mqtt').MqttClient
type Connack = import('mqtt').IConnackPacket

/** How to connect. */
export interface ClientSettings {
  readonly address: Address
  readonly connection: Readonly<Record<string, unknown>>
  /** Seconds. */
  readonly keepalive: number
  /** Milliseconds. */
  readonly connectTimeout: number
}

/** Who connects, and what the server keeps for it. */
export interface Session {
  readonly clientId: string
  /** Whether the server forgets what it kept under this name. */
  readonly clean: boolean
  readonly properties?: { readonly sessionExpiryInterval?: number; readonly receiveMaximum?: number }
}

/** A client that is connected, for as long as its one connection lasts. */
export interface OpenClient {
  readonly client: MqttJsClient
  readonly connack: Connack
}

/**
 * Connects once: the client never reconnects by itself, since it would then publish again what we have reported as not
 * delivered, after later events. `prepare` gets the client before the server can have sent anything. Rejects with an
 * `OutageError`, or `MISSING_DEPENDENCY`.
 */
export async function openClient(
  { address, connection, keepalive, connectTimeout }: ClientSettings,
  session: Session,
  prepare: (client: MqttJsClient) => void = () => undefined,
): Promise<OpenClient> {
  const { connect } = await importMqtt()
  const { promise, resolve, reject } = Promise.withResolvers<OpenClient>()
  let client: MqttJsClient
  try {
    client = connect({
      ...connection,
      ...address,
      ...session,
      properties: { ...(connection['properties'] as object | undefined), ...session.properties },
      protocolVersion: 5,
      keepalive,
      connectTimeout,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
    })
  } catch (error) {
    // For example for a certificate that cannot be read.
    throw errorOfConnection(error)
  }
  prepare(client)
  client.on('error', reject)
  client.on('close', () => reject(new Error('the server has closed the connection')))
  client.on('connect', (connack) => resolve({ client, connack }))
  try {
    const open = await promise
    // Otherwise the last segment of a write waits until the server has confirmed those before it.
    const { stream } = client as { readonly stream: { setNoDelay?: (noDelay: boolean) => void } }
    stream.setNoDelay?.(true)
    return open
  } catch (error) {
    dropClient(client)
    throw errorOfConnection(error)
  }
}

/** Ends a connection at once, its socket too: nothing sent on it arrives after what is sent later on another one. */
export function dropClient(client: MqttJsClient): void {
  client.end(true)
  client.stream.destroy()
}

/** Disconnects cleanly, or at once when that takes longer than `timeout` ms. */
export async function endClient(client: MqttJsClient, timeout: number): Promise<void> {
  if (!client.connected) return dropClient(client)
  const closed = new Promise((resolve) => client.on('close', () => resolve(undefined)))
  client.end(false)
  await settles(closed, { timeout })
  dropClient(client)
}

async function importMqtt(): Promise<typeof import('mqtt')> {
  try {
    return await import('mqtt')
  } catch (cause) {
    throw new BroadcasterError(
      'MISSING_DEPENDENCY',
      'mqtt() opens its connection with the package mqtt, which is not installed: `npm install mqtt`, or pass a client of your own as { client }',
      { field: 'client', cause },
    )
  }
}
