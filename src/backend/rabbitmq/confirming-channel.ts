import { PermanentError } from '../send-error.ts'
import type { RabbitMqConfirmChannel, ReturnedMessage } from './client.ts'
import { MOST_HEADER_BYTES, tableBytes } from './header-size.ts'
import type { Message } from './message.ts'

/** What became of a message. */
export type Confirmation =
  | { readonly kind: 'confirmed' | 'nacked' }
  /** Confirmed as well, but no queue has it. */
  | { readonly kind: 'returned'; readonly message: ReturnedMessage }
  /** Nobody knows whether it arrived. */
  | { readonly kind: 'lost'; readonly because: 'closed' | 'blocked' | 'silent' | 'aborted' }
  /** The client would not write it: nothing of it went out, and the channel goes on. */
  | { readonly kind: 'unwritable'; readonly error: unknown }

interface Waiting {
  readonly message: Message
  readonly deadline: number
  readonly signal: AbortSignal
  readonly settle: (confirmation: Confirmation) => void
  returned: ReturnedMessage | undefined
  settled: boolean
}

/** Frame and other properties: eight short strings of at most 255 bytes, and some numbers. */
const OTHER_PROPERTIES = 2_304

/** A channel that says of each message what became of it, within a time. */
export class ConfirmingChannel {
  readonly #channel: RabbitMqConfirmChannel
  readonly #timeout: number
  readonly #onSilent: () => void
  /** In the order in which they were handed over, which is that of their deadlines. */
  readonly #waiting = new Set<Waiting>()
  readonly #signals = new Map<AbortSignal, { count: number; readonly onAbort: () => void }>()
  readonly #listeners: readonly (readonly [string, (value: unknown) => void])[]
  #timer: NodeJS.Timeout | undefined
  #drain: PromiseWithResolvers<void> | undefined
  #closed = false
  #error: unknown

  /** `timeout` in milliseconds for each message. `onSilent` is called when one is not confirmed in time. */
  constructor(channel: RabbitMqConfirmChannel, timeout: number, onSilent: () => void) {
    this.#channel = channel
    this.#timeout = timeout
    this.#onSilent = onSilent
    this.#listeners = [
      ['error', (error) => void (this.#error = error)],
      ['drain', () => this.#drained()],
      ['return', (message) => this.#onReturn(message as ReturnedMessage)],
    ]
    for (const [event, listener] of this.#listeners) channel.on(event, listener)
    // Before amqplib's own listener, which fails each callback: only so a nack and a lost channel are told apart.
    channel.prependListener('close', this.#onClose)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Why it closed, when RabbitMQ said so; its `code` is AMQP's reply code. */
  get error(): unknown {
    return this.#error
  }

  /** What the headers of a message may take, in bytes: properties go in one frame, and amqplib has one buffer for headers. */
  get mostHeaderBytes(): number {
    const { connection } = this.#channel as { readonly connection?: { readonly frameMax?: unknown } }
    const frame = connection?.frameMax
    return typeof frame === 'number' ? Math.min(MOST_HEADER_BYTES, frame - OTHER_PROPERTIES) : MOST_HEADER_BYTES
  }

  /** Whether no message is under way. */
  get idle(): boolean {
    return this.#waiting.size === 0
  }

  /** Publishes a message, once there is room to write, and resolves when it is known what became of it. Never rejects. */
  async publish(message: Message, signal: AbortSignal): Promise<Confirmation> {
    if (signal.aborted) return { kind: 'lost', because: 'aborted' }
    if (this.#closed) return { kind: 'lost', because: 'closed' }
    const { promise, resolve } = Promise.withResolvers<Confirmation>()
    const waiting: Waiting = {
      message,
      deadline: performance.now() + this.#timeout,
      signal,
      returned: undefined,
      settled: false,
      settle: (confirmation) => {
        if (waiting.settled) return
        waiting.settled = true
        this.#forget(waiting)
        resolve(confirmation)
      },
    }
    this.#remember(waiting)
    while (this.#drain && !waiting.settled) await Promise.race([this.#drain.promise, promise])
    if (!waiting.settled) this.#write(waiting)
    return promise
  }

  /** Ends the wait for all messages under way. */
  giveUp(because: 'closed' | 'blocked'): void {
    for (const waiting of this.#waiting) waiting.settle({ kind: 'lost', because })
  }

  /** Leaves the channel as it was. */
  release(): void {
    this.giveUp('closed')
    for (const [event, listener] of this.#listeners) this.#channel.removeListener(event, listener)
    this.#channel.removeListener('close', this.#onClose)
  }

  #write(waiting: Waiting): void {
    const { exchange, routingKey, content, properties } = waiting.message
    const size = tableBytes(properties.headers)
    if (size > this.mostHeaderBytes) {
      const message = `the headers take ${size} bytes, and this connection carries ${this.mostHeaderBytes}; see RabbitMQ's frame_max`
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
      } else waiting.settle(this.#closed ? { kind: 'lost', because: 'closed' } : { kind: 'nacked' })
    }
    try {
      const room = this.#channel.publish(exchange, routingKey, content, properties, onConfirm)
      if (!room) this.#drain ??= Promise.withResolvers<void>()
    } catch (error) {
      // A channel that was closed before it came to us told nobody.
      const closed = this.#closed || (error instanceof Error && error.name === 'IllegalOperationError')
      if (!closed) this.#withdraw(onConfirm)
      waiting.settle(closed ? { kind: 'lost', because: 'closed' } : { kind: 'unwritable', error })
    }
  }

  /**
   * amqplib counts a message before it writes it. One that it would not write must not be counted: each confirm after it
   * would be taken for that of the message before, and the last message would wait for ever.
   */
  #withdraw(callback: unknown): void {
    const { unconfirmed } = this.#channel as { readonly unconfirmed?: unknown[] }
    if (Array.isArray(unconfirmed) && unconfirmed.at(-1) === callback) unconfirmed.pop()
  }

  readonly #onClose = (): void => {
    this.#closed = true
    this.giveUp('closed')
    this.#drained()
  }

  #drained(): void {
    this.#drain?.resolve()
    this.#drain = undefined
  }

  /** It comes before the confirm of the same message, and names it by its properties only. */
  #onReturn(message: ReturnedMessage): void {
    for (const waiting of this.#waiting) {
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

  #remember(waiting: Waiting): void {
    this.#waiting.add(waiting)
    this.#timer ??= setTimeout(() => this.#onTime(), this.#timeout)
    const { signal } = waiting
    const known = this.#signals.get(signal)
    if (known) known.count++
    else {
      const onAbort = (): void => {
        for (const each of this.#waiting) if (each.signal === signal) each.settle({ kind: 'lost', because: 'aborted' })
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#signals.set(signal, { count: 1, onAbort })
    }
  }

  #forget(waiting: Waiting): void {
    this.#waiting.delete(waiting)
    if (this.#waiting.size === 0) {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
    const known = this.#signals.get(waiting.signal)
    if (!known || --known.count > 0) return
    waiting.signal.removeEventListener('abort', known.onAbort)
    this.#signals.delete(waiting.signal)
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
    if (silent) this.#onSilent()
  }
}
