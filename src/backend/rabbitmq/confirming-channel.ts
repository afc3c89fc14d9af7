import type { RabbitMqConfirmChannel, ReturnedMessage } from './client.ts'
import type { Message } from './message.ts'

/** What became of a message. */
export type Confirmation =
  | { readonly kind: 'confirmed' | 'nacked' }
  /** Confirmed as well, but no queue has it. */
  | { readonly kind: 'returned'; readonly message: ReturnedMessage }
  /** Nobody knows whether it arrived. */
  | { readonly kind: 'lost'; readonly because: 'closed' | 'blocked' | 'silent' | 'aborted' }
  /** The client would not write it; the channel goes on. */
  | { readonly kind: 'unwritable'; readonly error: unknown }

interface Waiting {
  readonly message: Message
  readonly deadline: number
  readonly signal: AbortSignal
  readonly settle: (confirmation: Confirmation) => void
  returned: ReturnedMessage | undefined
  settled: boolean
}

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
    try {
      const room = this.#channel.publish(exchange, routingKey, content, properties, (error) => {
        if (error === null || error === undefined) {
          const { returned } = waiting
          waiting.settle(returned ? { kind: 'returned', message: returned } : { kind: 'confirmed' })
        } else waiting.settle(this.#closed ? { kind: 'lost', because: 'closed' } : { kind: 'nacked' })
      })
      if (!room) this.#drain ??= Promise.withResolvers<void>()
    } catch (error) {
      // A channel that was closed before it came to us told nobody.
      const closed = this.#closed || (error instanceof Error && error.name === 'IllegalOperationError')
      waiting.settle(closed ? { kind: 'lost', because: 'closed' } : { kind: 'unwritable', error })
    }
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
