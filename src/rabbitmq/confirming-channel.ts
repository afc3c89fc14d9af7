import { PermanentError } from '../backend/send-error.ts'
import { Unanswered } from '../foundation/unanswered.ts'
import type { RabbitMqConfirmChannel, ReturnedMessage } from './client.ts'
import { MOST_HEADER_BYTES, tableBytes } from './header-size.ts'
import type { Message } from './message.ts'

/** The outcome of a message. */
export type Confirmation =
  | { readonly kind: 'confirmed' | 'nacked' }
  /** Confirmed, but no queue has it. */
  | { readonly kind: 'returned'; readonly message: ReturnedMessage }
  /** It is not known whether it arrived. */
  | { readonly kind: 'lost'; readonly because: 'closed' | 'blocked' | 'silent' | 'aborted' }
  /** The client would not write it: nothing of it went out, and the channel goes on. */
  | { readonly kind: 'unwritable'; readonly error: unknown }

interface Waiting {
  readonly message: Message
  readonly signal: AbortSignal
  readonly settle: (confirmation: Confirmation) => void
  returned: ReturnedMessage | undefined
  settled: boolean
}

/** Frame and other properties: eight short strings of at most 255 bytes, and some numbers. */
const OTHER_PROPERTIES = 2_304

export type ConfirmingChannel = ReturnType<typeof confirmingChannel>

/**
 * A channel that tells the outcome of each message within `timeout` ms. `onSilent` is called when one is not confirmed
 * in time.
 */
export function confirmingChannel(channel: RabbitMqConfirmChannel, timeout: number, onSilent: () => void) {
  const inFlight = new Unanswered<Waiting>(timeout, (late) => {
    for (const waiting of late) waiting.settle({ kind: 'lost', because: 'silent' })
    onSilent()
  })
  const signals = new Map<AbortSignal, { count: number; readonly onAbort: () => void }>()
  let draining: PromiseWithResolvers<void> | undefined
  let isClosed = false
  let hasNacked = false
  let failure: unknown
  const onClose = (): void => {
    isClosed = true
    giveUp('closed')
    drained()
  }
  const listeners: readonly (readonly [string, (value: unknown) => void])[] = [
    ['error', (error) => void (failure = error)],
    ['drain', () => drained()],
    ['return', (message) => onReturn(message as ReturnedMessage)],
  ]
  for (const [event, listener] of listeners) channel.on(event, listener)
  // Before amqplib's own listener, which fails each callback: only then can a nack be told from a lost channel.
  channel.prependListener('close', onClose)

  /** Publishes a message, once there is room to write, and resolves when its outcome is known. Never rejects. */
  async function publish(message: Message, signal: AbortSignal): Promise<Confirmation> {
    if (signal.aborted) return { kind: 'lost', because: 'aborted' }
    if (isClosed) return { kind: 'lost', because: 'closed' }
    const { promise, resolve } = Promise.withResolvers<Confirmation>()
    const waiting: Waiting = {
      message,
      signal,
      returned: undefined,
      settled: false,
      settle: (confirmation) => {
        if (waiting.settled) return
        waiting.settled = true
        forget(waiting)
        resolve(confirmation)
      },
    }
    remember(waiting)
    while (draining && !waiting.settled) await Promise.race([draining.promise, promise])
    if (!waiting.settled) write(waiting)
    return promise
  }

  /** Ends the wait for all messages in flight. */
  function giveUp(because: 'closed' | 'blocked'): void {
    for (const waiting of inFlight) waiting.settle({ kind: 'lost', because })
  }

  /** Leaves the channel as it was. */
  function release(): void {
    giveUp('closed')
    for (const [event, listener] of listeners) channel.removeListener(event, listener)
    channel.removeListener('close', onClose)
  }

  function write(waiting: Waiting): void {
    const { exchange, routingKey, content, properties } = waiting.message
    const size = tableBytes(properties.headers)
    if (size > mostHeaderBytes()) {
      const message = `the headers take ${size} bytes, and this connection carries ${mostHeaderBytes()}; see RabbitMQ's frame_max`
      waiting.settle({
        kind: 'unwritable',
        error: new PermanentError(message, { field: 'headers', value: size }),
      })
      return
    }
    const onConfirm = (error: unknown): void => {
      if (error === null || error === undefined) {
        const { returned } = waiting
        waiting.settle(returned ? { kind: 'returned', message: returned } : { kind: 'confirmed' })
      } else if (isClosed) waiting.settle({ kind: 'lost', because: 'closed' })
      else {
        hasNacked = true
        waiting.settle({ kind: 'nacked' })
      }
    }
    try {
      const room = channel.publish(exchange, routingKey, content, properties, onConfirm)
      if (!room) draining ??= Promise.withResolvers<void>()
    } catch (error) {
      // A channel that was closed before we got it emits nothing.
      const closed = isClosed || (error instanceof Error && error.name === 'IllegalOperationError')
      if (!closed) withdraw(onConfirm)
      waiting.settle(closed ? { kind: 'lost', because: 'closed' } : { kind: 'unwritable', error })
    }
  }

  /**
   * amqplib counts a message before it writes it. One that it failed to write must not be counted: each confirm after
   * it would be taken for that of the message before, and the last message would wait for ever.
   */
  function withdraw(callback: unknown): void {
    const { unconfirmed } = channel as { readonly unconfirmed?: unknown[] }
    if (Array.isArray(unconfirmed) && unconfirmed.at(-1) === callback) unconfirmed.pop()
  }

  function drained(): void {
    draining?.resolve()
    draining = undefined
  }

  /** A return comes before the confirm of the same message, and identifies it by its properties only. */
  function onReturn(message: ReturnedMessage): void {
    for (const waiting of inFlight) {
      const { exchange, routingKey, content, properties } = waiting.message
      if (
        waiting.returned === undefined &&
        properties.messageId === message.properties.messageId &&
        routingKey === message.fields.routingKey &&
        exchange === message.fields.exchange &&
        content.equals(message.content)
      ) {
        waiting.returned = message
        return
      }
    }
  }

  function remember(waiting: Waiting): void {
    inFlight.add(waiting)
    const { signal } = waiting
    const known = signals.get(signal)
    if (known) known.count++
    else {
      const onAbort = (): void => {
        for (const each of inFlight) if (each.signal === signal) each.settle({ kind: 'lost', because: 'aborted' })
      }
      signal.addEventListener('abort', onAbort, { once: true })
      signals.set(signal, { count: 1, onAbort })
    }
  }

  function forget(waiting: Waiting): void {
    inFlight.delete(waiting)
    const known = signals.get(waiting.signal)
    if (!known || --known.count > 0) return
    waiting.signal.removeEventListener('abort', known.onAbort)
    signals.delete(waiting.signal)
  }

  /** The most bytes of headers: properties go in one frame, and amqplib has one buffer for headers. */
  function mostHeaderBytes(): number {
    const { connection } = channel as { readonly connection?: { readonly frameMax?: unknown } }
    const frame = connection?.frameMax
    return typeof frame === 'number' ? Math.min(MOST_HEADER_BYTES, frame - OTHER_PROPERTIES) : MOST_HEADER_BYTES
  }

  return {
    get closed() {
      return isClosed
    },
    /** Why it closed, when RabbitMQ said so; its `code` is AMQP's reply code. */
    get error() {
      return failure
    },
    get mostHeaderBytes() {
      return mostHeaderBytes()
    },
    /** Whether no message is in flight. */
    get idle() {
      return inFlight.size === 0
    },
    /**
     * Whether it has refused a message and none is in flight on it. A channel that was opened while a quorum queue had
     * no leader keeps refusing everything for that queue, long after it has a new one.
     */
    get spent() {
      return hasNacked && inFlight.size === 0
    },
    ...{ publish, giveUp, release },
  }
}
