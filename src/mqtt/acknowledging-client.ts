import { Gate } from '../backend/gate.ts'
import { Unanswered } from '../foundation/unanswered.ts'
import type { MqttClient, ReceivedPacket, ServerProperties } from './client.ts'
import { type Message, packetSize } from './message.ts'

/** The outcome of a message. */
export type Acknowledgement =
  | { readonly kind: 'acknowledged'; readonly noSubscriber: boolean }
  | { readonly kind: 'refused'; readonly reasonCode: number }
  /** It is not known whether it arrived. */
  | { readonly kind: 'lost'; readonly because: 'closed' | 'silent' }
  /** It was never written: the connection or the send ended before its turn. */
  | { readonly kind: 'unsent' }
  /** Larger than the server permits, in bytes; it would end the connection. */
  | { readonly kind: 'too-large'; readonly size: number; readonly limit: number }

type Settle = (acknowledgement: Acknowledgement) => void

const NO_MATCHING_SUBSCRIBERS = 0x10
/** Packet identifiers have 16 bits. */
const MOST_IN_FLIGHT = 65_535

export type AcknowledgingClient = ReturnType<typeof acknowledgingClient>

/**
 * A client that tells the outcome of each message within a time limit, and has no more of them in flight than the
 * server permits. `timeout` in milliseconds for each message. `onUseless` is called when one is not acknowledged in
 * time, or the server has disconnected us.
 */
export function acknowledgingClient(
  client: MqttClient,
  server: ServerProperties,
  { timeout, concurrency }: { readonly timeout: number; readonly concurrency: number },
  onUseless: () => void,
) {
  const inFlight = new Unanswered<Settle>(timeout, (late) => {
    for (const settle of late) settle({ kind: 'lost', because: 'silent' })
    // Nothing more may be written to it, and the end of the socket is reported only later.
    onClose()
    onUseless()
  })
  /** Packet identifiers of messages without a subscriber; the client's callback does not tell. */
  const noSubscribers = new Set<number>()
  const pings = new Set<() => void>()
  let reason: number | undefined
  let failure: unknown
  /** Runs before the client's own handling, and so before the callback of `publish`. */
  const onPacket = (packet: ReceivedPacket): void => {
    const { cmd, messageId, reasonCode } = packet
    if (cmd === 'pingresp') for (const resolve of pings) resolve()
    if (cmd === 'disconnect') {
      reason = reasonCode
      // A server that shuts down or moves may leave the connection open and wait for us to close it.
      onClose()
      onUseless()
    }
    if (cmd === 'puback' && reasonCode === NO_MATCHING_SUBSCRIBERS && messageId !== undefined) {
      noSubscribers.add(messageId)
    }
  }
  const onError = (error: unknown): void => {
    failure ??= error
  }
  /** The client does not tell callers that wait for an acknowledgement. */
  const onClose = (): void => {
    isClosed = true
    for (const settle of inFlight) settle({ kind: 'lost', because: 'closed' })
    for (const resolve of pings) resolve()
  }
  const gate = new Gate(Math.min(concurrency, server.receiveMaximum ?? MOST_IN_FLIGHT))
  let isClosed: boolean = !client.connected
  client.on('packetreceive', onPacket)
  client.on('error', onError)
  client.on('close', onClose)

  /**
   * Publishes a message, once the server permits one more, and resolves when its outcome is known; or, without having
   * written it, when `signal` has aborted by then. Never rejects.
   */
  async function publish(message: Message, signal: AbortSignal): Promise<Acknowledgement> {
    const limit = server.maximumPacketSize
    if (limit !== undefined) {
      const size = packetSize(message)
      if (size > limit) return { kind: 'too-large', size, limit }
    }
    return await gate.run(async () => {
      if (signal.aborted || isClosed) return { kind: 'unsent' }
      return await write(message)
    })
  }

  /** Resolves when the server has answered a ping, or the connection was lost: see `closed`. */
  async function ping(): Promise<void> {
    if (isClosed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    pings.add(resolve)
    client.sendPing()
    await promise
    pings.delete(resolve)
  }

  /** Ends the wait for all messages in flight, and leaves the client as it was. */
  function release(): void {
    onClose()
    client.removeListener('packetreceive', onPacket)
    client.removeListener('error', onError)
    client.removeListener('close', onClose)
  }

  function write({ topic, payload, options }: Message): Promise<Acknowledgement> {
    const { promise, resolve } = Promise.withResolvers<Acknowledgement>()
    const settle: Settle = (acknowledgement) => {
      inFlight.delete(settle)
      resolve(acknowledgement)
    }
    inFlight.add(settle)
    client.publish(
      topic,
      payload,
      options,
      (error?: Error | null, packet?: { readonly messageId?: number | undefined }) => {
        const reasonCode = error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
        if (reasonCode !== undefined) settle({ kind: 'refused', reasonCode })
        else if (error) settle({ kind: 'lost', because: 'closed' })
        else settle({ kind: 'acknowledged', noSubscriber: noSubscribers.delete(packet?.messageId ?? 0) })
      },
    )
    return promise
  }

  return {
    get closed() {
      return isClosed
    },
    /** The reason code with which the server ended the connection, if it gave one. */
    get disconnectReason() {
      return reason
    },
    /** Why the connection was lost, as the client says. */
    get error() {
      return failure
    },
    /** Whether no message is in flight. */
    get idle() {
      return inFlight.size === 0
    },
    ...{ publish, ping, release },
  }
}
