import { randomUUID } from 'node:crypto'
import { OutageError } from '../backend/send-error.ts'
import { Connection } from '../foundation/connection.ts'
import { type AcknowledgingClient, acknowledgingClient } from './acknowledging-client.ts'
import type { ServerProperties } from './client.ts'
import { dropClient, endClient, openClient } from './open-client.ts'
import type { ResolvedMqttOptions } from './options.ts'
import { errorOfConnection } from './send-failure.ts'
import { untilAborted, within } from './server-answer.ts'

type MqttJsClient = import('mqtt').MqttClient

/** A connection that is open, as far as we know. */
export interface OpenMqtt {
  readonly acknowledging: AcknowledgingClient
  /** The client, if it is ours to end. */
  readonly own: MqttJsClient | undefined
}

export type MqttConnection = Connection<OpenMqtt>

/**
 * The connection of one backend. With an injected client it only hands that out. `clientId`: undefined = a new random
 * one each time.
 */
export function mqttConnection(options: ResolvedMqttOptions, clientId = options.clientId): MqttConnection {
  const { connectTimeout, timeout, concurrency } = options
  const limits = { timeout, concurrency }
  return new Connection<OpenMqtt>({
    async open() {
      const { client } = options
      if (client) {
        if (!client.connected) throw new OutageError('the injected client is not connected')
        const server = client.serverProperties ?? {}
        checkServer(server, options)
        return { acknowledging: acknowledgingClient(client, server, limits, () => undefined), own: undefined }
      }
      const session = { clientId: clientId ?? `broadcaster-${randomUUID()}`, clean: true }
      const { client: own, connack } = await openClient(options, session)
      const server: ServerProperties = connack.properties ?? {}
      try {
        checkServer(server, options)
      } catch (error) {
        dropClient(own)
        throw error
      }
      return { acknowledging: acknowledgingClient(own, server, limits, () => dropClient(own)), own }
    },
    isUsable: ({ acknowledging }) => !acknowledging.closed,
    end({ acknowledging, own }) {
      acknowledging.release()
      if (own) dropClient(own)
    },
    // With messages in flight that nobody waits for, a clean end would hang.
    close: async ({ acknowledging, own }) => own && acknowledging.idle && endClient(own, connectTimeout),
    interrupted: (reason) => errorOfConnection(reason, 'ended before the MQTT server answered'),
  })
}

/** Opens the connection and pings the server. Rejects with an `OutageError` or `MISSING_DEPENDENCY`. */
export async function probe(connection: MqttConnection, timeout: number, signal: AbortSignal): Promise<void> {
  const { acknowledging } = await connection.get(signal)
  await untilAborted(within(timeout, acknowledging.ping()), signal)
  if (acknowledging.closed) throw errorOfConnection(acknowledging.error, 'the connection was lost')
}

/** A message that uses what the server does not support would end the connection. */
function checkServer(
  { maximumQoS = 2, retainAvailable = true }: ServerProperties,
  { qos, retain }: ResolvedMqttOptions,
): void {
  if (qos > maximumQoS) {
    throw new OutageError(`the server supports QoS ${maximumQoS} at most`, { field: 'qos', value: qos })
  }
  if (retain && !retainAvailable) {
    throw new OutageError('the server does not retain messages', { field: 'retain', value: retain })
  }
}
