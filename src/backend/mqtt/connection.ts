import { randomUUID } from 'node:crypto'
import { BroadcasterError } from '../../errors.ts'
import { OutageError } from '../send-error.ts'
import { AcknowledgingClient } from './acknowledging-client.ts'
import type { ServerProperties } from './client.ts'
import { dropClient, endClient, type OpenClient, openClient } from './open-client.ts'
import type { ResolvedMqttOptions } from './options.ts'
import { errorOfConnection } from './send-failure.ts'
import { untilAborted, within } from './waiting.ts'

/** A connection that is open, as far as we know. */
interface Link {
  readonly acknowledging: AcknowledgingClient
  readonly end: (timeout: number) => Promise<void>
}

/**
 * The connection of one backend: opened for the first send, and anew for the next one after it was lost. With an
 * injected client it only hands that out.
 */
export class MqttConnection {
  readonly #options: ResolvedMqttOptions
  readonly #clientId: string | undefined
  #link: Link | undefined
  #opening: Promise<Link> | undefined
  #closing: Promise<void> | undefined

  /** `clientId`: undefined = a new random one each time. */
  constructor(options: ResolvedMqttOptions, clientId = options.clientId) {
    this.#options = options
    this.#clientId = clientId
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  /** The connection, which is opened when there is none. Rejects with an `OutageError`, or `MISSING_DEPENDENCY`. */
  async open(signal: AbortSignal): Promise<AcknowledgingClient> {
    if (this.closed) throw new BroadcasterError('SEND_NOT_ATTEMPTED', 'this backend is closed')
    if (this.#link && !this.#link.acknowledging.closed) return this.#link.acknowledging
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    // Others may be waiting for the same connection: an abort ends this wait, not the attempt.
    return (await untilAborted(this.#opening, signal)).acknowledging
  }

  /** Opens the connection, and looks whether the server answers. Rejects as `open` does. */
  async probe(signal: AbortSignal): Promise<void> {
    const acknowledging = await this.open(signal)
    await untilAborted(within(this.#options.ackTimeout, acknowledging.ping()), signal)
    if (acknowledging.closed) throw errorOfConnection(acknowledging.error, 'the connection was lost')
  }

  /** Closes what we opened. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => undefined)
    const link = this.#link
    this.#link = undefined
    if (!link) return
    // What nobody waits for any more would hold up a polite end.
    const { idle } = link.acknowledging
    link.acknowledging.release()
    await link.end(idle ? this.#options.connectTimeout : 0)
  }

  async #open(): Promise<Link> {
    this.#link?.acknowledging.release()
    this.#link = undefined
    const { client } = this.#options
    if (client) {
      if (!client.connected) throw new OutageError('the injected client is not connected')
      const server = client.serverProperties ?? {}
      this.#check(server)
      const acknowledging = new AcknowledgingClient(client, server, this.#limits, () => undefined)
      this.#link = { acknowledging, end: () => Promise.resolve() }
      return this.#link
    }
    const clientId = this.#clientId ?? `broadcaster-${randomUUID()}`
    const open = await openClient(this.#options, { clientId, clean: true })
    return (this.#link = this.#own(open))
  }

  #own({ client, connack }: OpenClient): Link {
    const server: ServerProperties = connack.properties ?? {}
    try {
      this.#check(server)
    } catch (error) {
      dropClient(client)
      throw error
    }
    const acknowledging = new AcknowledgingClient(client, server, this.#limits, () => dropClient(client))
    return {
      acknowledging,
      async end(timeout) {
        if (timeout === 0) dropClient(client)
        else await endClient(client, timeout)
      },
    }
  }

  get #limits(): { readonly timeout: number; readonly maxInFlight: number } {
    return { timeout: this.#options.ackTimeout, maxInFlight: this.#options.maxInFlight }
  }

  /** A message that the server has said not to support would end the connection. */
  #check({ maximumQoS = 2, retainAvailable = true }: ServerProperties): void {
    const { qos, retain } = this.#options
    if (qos > maximumQoS) {
      throw new OutageError(`the server supports QoS ${maximumQoS} at most`, { field: 'qos', value: qos })
    }
    if (retain && !retainAvailable) {
      throw new OutageError('the server does not retain messages', { field: 'retain', value: retain })
    }
  }
}
