import { Gate } from '../gate.ts'
import type { MqttClient, ReceivedPacket, ServerProperties } from './client.ts'
import { type Message, packetSize } from './message.ts'

/** What became of a message. */
export type Acknowledgement =
  | { readonly kind: 'acknowledged'; readonly noSubscriber: boolean }
  | { readonly kind: 'refused'; readonly reasonCode: number }
  /** Nobody knows whether it arrived. */
  | { readonly kind: 'lost'; readonly because: 'closed' | 'silent' }
  /** It was never written: the connection, or its send, ended before its turn. */
  | { readonly kind: 'unsent' }
  /** Larger than the server permits, in bytes; it would end the connection. */
  | { readonly kind: 'too-large'; readonly size: number; readonly limit: number }

interface Waiting {
  readonly deadline: number
  readonly settle: (acknowledgement: Acknowledgement) => void
}

const NO_MATCHING_SUBSCRIBERS = 0x10
/** Packet identifiers have 16 bits. */
const MOST_IN_FLIGHT = 65_535

/**
 * A client that says of each message what became of it, within a time, and writes no more of them at once than the
 * server permits.
 */
export class AcknowledgingClient {
  readonly #client: MqttClient
  readonly #server: ServerProperties
  readonly #timeout: number
  readonly #onUseless: () => void
  readonly #gate: Gate
  /** In the order in which they were written, which is that of their deadlines. */
  readonly #waiting = new Set<Waiting>()
  /** Packet identifiers of what nobody has subscribed to; the client's callback does not say so. */
  readonly #noSubscribers = new Set<number>()
  readonly #pings = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #closed: boolean
  #disconnectReason: number | undefined
  #error: unknown

  /**
   * `timeout` in milliseconds for each message. `onUseless` is called when one is not acknowledged in time, or the server has
   * said that it is done with us.
   */
  constructor(
    client: MqttClient,
    server: ServerProperties,
    { timeout, maxInFlight }: { readonly timeout: number; readonly maxInFlight: number },
    onUseless: () => void,
  ) {
    this.#client = client
    this.#server = server
    this.#timeout = timeout
    this.#onUseless = onUseless
    this.#gate = new Gate(Math.min(maxInFlight, server.receiveMaximum ?? MOST_IN_FLIGHT))
    this.#closed = !client.connected
    client.on('packetreceive', this.#onPacket)
    client.on('error', this.#onError)
    client.on('close', this.#onClose)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The reason code with which the server ended the connection, if it gave one. */
  get disconnectReason(): number | undefined {
    return this.#disconnectReason
  }

  /** Why the connection was lost, as the client says. */
  get error(): unknown {
    return this.#error
  }

  /** Whether no message is under way. */
  get idle(): boolean {
    return this.#waiting.size === 0
  }

  /**
   * Publishes a message, once the server permits one more, and resolves when it is known what became of it; or, without
   * having written it, when `signal` has aborted by then. Never rejects.
   */
  async publish(message: Message, signal: AbortSignal): Promise<Acknowledgement> {
    const limit = this.#server.maximumPacketSize
    if (limit !== undefined) {
      const size = packetSize(message)
      if (size > limit) return { kind: 'too-large', size, limit }
    }
    return await this.#gate.run(async () => {
      if (signal.aborted || this.#closed) return { kind: 'unsent' }
      return await this.#write(message)
    })
  }

  /** Resolves when the server has answered a ping, or the connection was lost: see `closed`. */
  async ping(): Promise<void> {
    if (this.#closed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#pings.add(resolve)
    this.#client.sendPing()
    await promise
    this.#pings.delete(resolve)
  }

  /** Ends the wait for all messages under way, and leaves the client as it was. */
  release(): void {
    this.#onClose()
    this.#client.removeListener('packetreceive', this.#onPacket)
    this.#client.removeListener('error', this.#onError)
    this.#client.removeListener('close', this.#onClose)
  }

  #write({ topic, payload, options }: Message): Promise<Acknowledgement> {
    const { promise, resolve } = Promise.withResolvers<Acknowledgement>()
    const waiting: Waiting = {
      deadline: performance.now() + this.#timeout,
      settle: (acknowledgement) => {
        this.#waiting.delete(waiting)
        if (this.#waiting.size === 0) this.#endTimer()
        resolve(acknowledgement)
      },
    }
    this.#waiting.add(waiting)
    this.#timer ??= setTimeout(() => this.#onTime(), this.#timeout)
    this.#client.publish(
      topic,
      payload,
      options,
      (error?: Error | null, packet?: { readonly messageId?: number | undefined }) => {
        const reasonCode = error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
        if (reasonCode !== undefined) waiting.settle({ kind: 'refused', reasonCode })
        else if (error) waiting.settle({ kind: 'lost', because: 'closed' })
        else waiting.settle({ kind: 'acknowledged', noSubscriber: this.#noSubscribers.delete(packet?.messageId ?? 0) })
      },
    )
    return promise
  }

  /** Runs before the client's own handling, and so before the callback of `publish`. */
  readonly #onPacket = (packet: ReceivedPacket): void => {
    const { cmd, messageId, reasonCode } = packet
    if (cmd === 'pingresp') for (const resolve of this.#pings) resolve()
    if (cmd === 'disconnect') {
      this.#disconnectReason = reasonCode
      // It may leave the connection open, as a server that shuts down or moves and waits for us to go.
      this.#onClose()
      this.#onUseless()
    }
    if (cmd === 'puback' && reasonCode === NO_MATCHING_SUBSCRIBERS && messageId !== undefined) {
      this.#noSubscribers.add(messageId)
    }
  }

  readonly #onError = (error: unknown): void => {
    this.#error ??= error
  }

  /** The client tells nobody who waits for an acknowledgement. */
  readonly #onClose = (): void => {
    this.#closed = true
    for (const waiting of this.#waiting) waiting.settle({ kind: 'lost', because: 'closed' })
    for (const resolve of this.#pings) resolve()
  }

  #endTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #onTime(): void {
    this.#timer = undefined
    const now = performance.now()
    let silent = false
    for (const waiting of this.#waiting) {
      // Timers may fire a little early.
      if (waiting.deadline > now + 1) {
        this.#timer ??= setTimeout(() => this.#onTime(), waiting.deadline - now)
        break
      }
      silent = true
      waiting.settle({ kind: 'lost', because: 'silent' })
    }
    if (!silent) return
    // Nothing more may be written to it, and the socket's own end is told later.
    this.#onClose()
    this.#onUseless()
  }
}
